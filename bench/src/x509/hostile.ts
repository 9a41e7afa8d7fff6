/** Inputs that are made to be slow, and the time that they take: the limits of `@sallyport/x509` as they are. */
import {
  anchorFrom,
  createValidator,
  parseCertificate,
  type Certificate,
  type ValidationInput,
} from '@sallyport/x509';
import { median } from '../signature-bound.ts';
import { AT, certify, issueLeaf, makeAuthority, type Authority } from './authority.ts';

interface Hostile {
  readonly name: string;
  readonly anchor: Certificate;
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
}

export interface HostileResult {
  readonly name: string;
  readonly intermediates: number;
  readonly reason: string;
  readonly ms: number;
}

/** Each with a validator of its own that has seen nothing. */
export async function measureHostile(rounds: number): Promise<readonly HostileResult[]> {
  const root = await makeAuthority('root');
  const cases = [
    await layers('5 layers of 4 CAs that end nowhere', root, 5, 4, await makeAuthority('nowhere')),
    await layers(
      '5 layers of 4 CAs, the top forged as issued by the anchor',
      root,
      5,
      4,
      await makeAuthority('root'),
    ),
    await layers('5 layers of 4 CAs that end in the anchor, none for this leaf', root, 5, 4, root),
    await layers('18 layers of 2 CAs that end in the anchor', root, 18, 2, root),
    await clique('8 CAs that all certify each other, one forged as issued by the anchor', root, 8),
    await namesakes('300 issuers of one name', root, 300),
  ];
  return cases.map((hostile) => measure(hostile, rounds));
}

function measure({ name, anchor, leaf, intermediates }: Hostile, rounds: number): HostileResult {
  const input: ValidationInput = { at: AT, intermediates, purpose: 'client' };
  const times: number[] = [];
  let reason = 'valid';
  for (let round = 0; round < rounds; round += 1) {
    const validator = createValidator({ anchors: [anchorFrom(anchor)] });
    const startedAt = performance.now();
    const result = validator.validate(leaf, input);
    times.push(performance.now() - startedAt);
    reason = result.valid ? 'valid' : result.failure.reason;
  }
  return { name, intermediates: intermediates.length, reason, ms: Number(median(times).toFixed(1)) };
}

/** Each CA of a layer certified by each of the layer above, the topmost by `top`. The leaf is for servers. */
async function layers(
  name: string,
  root: Authority,
  depth: number,
  width: number,
  top: Authority,
): Promise<Hostile> {
  const pool: Uint8Array[] = [];
  let above: readonly Authority[] = [top];
  for (let layer = 0; layer < depth; layer += 1) {
    const here = await Promise.all(Array.from({ length: width }, () => makeAuthority(`layer ${layer}`)));
    for (const one of here) for (const issuer of above) pool.push(await certify(one, issuer));
    above = here;
  }
  return hostile(name, root, above[0], pool);
}

async function clique(name: string, root: Authority, size: number): Promise<Hostile> {
  const members = await Promise.all(
    Array.from({ length: size }, (_, index) => makeAuthority(`member ${index}`)),
  );
  const pool: Uint8Array[] = [];
  for (const one of members)
    for (const other of members) if (one !== other) pool.push(await certify(one, other));
  const [first, second] = members;
  if (second !== undefined) pool.push(await certify(second, await makeAuthority('root')));
  return hostile(name, root, first, pool);
}

async function namesakes(name: string, root: Authority, count: number): Promise<Hostile> {
  const pool: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) pool.push(await certify(await makeAuthority('ca'), root));
  return hostile(name, root, await makeAuthority('ca'), pool);
}

async function hostile(
  name: string,
  root: Authority,
  issuer: Authority | undefined,
  pool: readonly Uint8Array[],
): Promise<Hostile> {
  if (issuer === undefined) throw new Error('a leaf needs an issuer');
  return {
    name,
    anchor: parse(await certify(root, root)),
    leaf: parse(await issueLeaf(issuer)),
    intermediates: pool.map(parse),
  };
}

export function parse(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(parsed.failure.problem);
  return parsed.value;
}
