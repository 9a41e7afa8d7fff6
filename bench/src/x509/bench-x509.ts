/**
 * `pnpm bench x509`: `@sallyport/x509` on a P-256 chain of leaf, intermediate and anchor, in this process and on one
 * core: validation next to the bare cost of its two signature checks, with nothing known but the anchor, and with everything
 * known; parsing next to `@peculiar/asn1-x509`; hostile inputs; a batch; memory over a million validations.
 */
import { createPublicKey, verify } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  anchorFrom,
  createCache,
  createValidator,
  parseCertificateCached,
  parseCertificates,
  type Cache,
  type Certificate,
  type ValidationInput,
  type Validator,
} from '@sallyport/x509';
import { median } from '../signature-bound.ts';
import { AT, certify, issueLeaf, makeAuthority } from './authority.ts';
import { measureHostile, parse, type HostileResult } from './hostile.ts';
import { parseWithPeculiar } from './peculiar.ts';

export type X509BenchOptions = { readonly rounds: number };

export type X509BenchResult = X509BenchOptions & {
  /** Keys loaded, signatures unknown; `ratio` is the median of the rounds' ratios. */
  readonly validate: { readonly us: number; readonly raw_signatures_us: number; readonly ratio: number };
  /** Parsing of leaf and intermediate, and validation. `cold`: only the anchor is known. */
  readonly parse_and_validate: { readonly cold_per_second: number; readonly cached_per_second: number };
  /** One certificate, mean of the chain, extensions decoded. */
  readonly parse_us: { readonly ours: number; readonly peculiar: number };
  readonly hostile: readonly HostileResult[];
  /** From PEM, each with a validator of its own that has seen nothing. */
  readonly batch: { readonly cases: number; readonly seconds: number };
  /** After a collection. One validation in ten is of a leaf that was never seen before. */
  readonly memory: readonly {
    readonly validations: number;
    readonly heap_mb: number;
    readonly rss_mb: number;
  }[];
};

interface Chain {
  readonly root: Uint8Array;
  readonly ca: Uint8Array;
  readonly leaf: Uint8Array;
}

const BATCH_CASES = 10_000;
const MEMORY_MARKS = [100_000, 400_000, 700_000, 1_000_000];
const NEW_EACH = 10;

export async function benchX509({ rounds }: X509BenchOptions): Promise<X509BenchResult> {
  const chain = await makeChain();
  const measured = Array.from({ length: rounds }, () => ({
    ...measureValidation(chain),
    cold: measureCold(chain),
    cached: measureCached(chain),
    ours: perParse(chain, parse),
    peculiar: perParse(chain, parseWithPeculiar),
  }));
  const of = (pick: (round: (typeof measured)[number]) => number): number => median(measured.map(pick));
  return {
    rounds,
    validate: {
      us: tenths(of(({ us }) => us)),
      raw_signatures_us: tenths(of(({ raw }) => raw)),
      ratio: Number(of(({ us, raw }) => us / raw).toFixed(2)),
    },
    parse_and_validate: {
      cold_per_second: Math.round(1e6 / of(({ cold }) => cold)),
      cached_per_second: Math.round(1e6 / of(({ cached }) => cached)),
    },
    parse_us: { ours: tenths(of(({ ours }) => ours)), peculiar: tenths(of(({ peculiar }) => peculiar)) },
    hostile: await measureHostile(rounds),
    batch: measureBatch(chain),
    memory: measureMemory(chain),
  };
}

async function makeChain(): Promise<Chain> {
  const [root, ca] = [await makeAuthority('root'), await makeAuthority('ca')];
  return { root: await certify(root, root), ca: await certify(ca, root), leaf: await issueLeaf(ca) };
}

function inputWith(intermediates: readonly Certificate[]): ValidationInput {
  return { at: AT, intermediates, purpose: 'server', names: [{ kind: 'dns', value: 'leaf.example' }] };
}

function expectValid(validator: Validator, leaf: Certificate, input: ValidationInput): void {
  const result = validator.validate(leaf, input);
  if (!result.valid) throw new Error(`${result.failure.reason}: ${result.failure.detail}`);
}

/** A part of a cache that is emptied between validations. */
function forgetful<T>(): {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  forget(): void;
} {
  const known = new Map<string, T>();
  return {
    get: (key) => known.get(key),
    set: (key, value) => void known.set(key, value),
    forget() {
      known.clear();
    },
  };
}

function measureValidation(chain: Chain): { us: number; raw: number } {
  const [root, ca, leaf] = [parse(chain.root), parse(chain.ca), parse(chain.leaf)];
  const signatures = forgetful<boolean>();
  const validator = createValidator({ anchors: [anchorFrom(root)], cache: { ...createCache(), signatures } });
  const input = inputWith([ca]);
  const keys = [root, ca].map((certificate) =>
    createPublicKey({ key: Buffer.from(certificate.subjectPublicKeyInfo.der), format: 'der', type: 'spki' }),
  );
  const signed = [ca, leaf];
  const raw = microseconds(2_000, () => {
    for (const [index, key] of keys.entries()) {
      const { tbs, signatureValue } = signed[index] as Certificate;
      if (!verify('sha256', tbs, key, signatureValue)) throw new Error('a good signature did not verify');
    }
  });
  const us = microseconds(2_000, () => {
    signatures.forget();
    expectValid(validator, leaf, input);
  });
  return { us, raw };
}

function measureCold(chain: Chain): number {
  const root = parse(chain.root);
  const [signatures, keys] = [forgetful<boolean>(), forgetful<never>()];
  const validator = createValidator({
    anchors: [anchorFrom(root)],
    cache: { ...createCache(), signatures, keys: { get: (key) => keys.get(key), set: () => undefined } },
  });
  return microseconds(1_000, () => {
    signatures.forget();
    expectValid(validator, parse(chain.leaf), inputWith([parse(chain.ca)]));
  });
}

function measureCached(chain: Chain): number {
  const cache = createCache();
  const validator = createValidator({ anchors: [anchorFrom(parse(chain.root))], cache });
  return microseconds(20_000, () => {
    expectValid(validator, parseKnown(chain.leaf, cache), inputWith([parseKnown(chain.ca, cache)]));
  });
}

function parseKnown(der: Uint8Array, cache: Cache): Certificate {
  const parsed = parseCertificateCached(der, cache);
  if (!parsed.ok) throw new Error(parsed.failure.problem);
  return parsed.value;
}

function perParse({ root, ca, leaf }: Chain, parseOne: (der: Uint8Array) => unknown): number {
  const ders = [root, ca, leaf];
  return microseconds(1_000, () => ders.map(parseOne)) / ders.length;
}

/** Of one call, after a fifth as many to warm up. */
function microseconds(calls: number, call: () => unknown): number {
  for (let index = 0; index < calls / 5; index += 1) call();
  const startedAt = performance.now();
  for (let index = 0; index < calls; index += 1) call();
  return ((performance.now() - startedAt) * 1000) / calls;
}

function measureBatch(chain: Chain): X509BenchResult['batch'] {
  const [root, ca, leaf] = [chain.root, chain.ca, chain.leaf].map(pemOf) as [string, string, string];
  const startedAt = performance.now();
  for (let index = 0; index < BATCH_CASES; index += 1) {
    const validator = createValidator({ anchors: fromPem(root).map(anchorFrom) });
    for (const certificate of fromPem(leaf)) expectValid(validator, certificate, inputWith(fromPem(ca)));
  }
  return { cases: BATCH_CASES, seconds: Number(((performance.now() - startedAt) / 1000).toFixed(2)) };
}

function pemOf(der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64').replaceAll(/.{64}/gu, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}

function fromPem(pem: string): readonly Certificate[] {
  const parsed = parseCertificates(pem);
  if (!parsed.ok) throw new Error(parsed.failure.problem);
  return parsed.value;
}

function measureMemory(chain: Chain): X509BenchResult['memory'] {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const cache = createCache();
  const validator = createValidator({ anchors: [anchorFrom(parse(chain.root))], cache });
  const marks: X509BenchResult['memory'][number][] = [];
  for (let count = 1; count <= (MEMORY_MARKS.at(-1) ?? 0); count += 1) {
    const der = count % NEW_EACH === 0 ? neverSeen(chain.leaf, count) : chain.leaf;
    const result = validator.validate(parseKnown(der, cache), inputWith([parseKnown(chain.ca, cache)]));
    if (result.valid !== (der === chain.leaf))
      throw new Error('neither more nor less than the real leaf is valid');
    if (!MEMORY_MARKS.includes(count)) continue;
    collect();
    const { heapUsed, rss } = process.memoryUsage();
    marks.push({ validations: count, heap_mb: tenths(heapUsed / 1e6), rss_mb: tenths(rss / 1e6) });
  }
  return marks;
}

/** The leaf with other last octets of its signature, which then does not verify. */
function neverSeen(leaf: Uint8Array, count: number): Uint8Array {
  const other = Buffer.from(leaf);
  other.writeUInt32BE(count, other.length - 4);
  return other;
}

const tenths = (value: number): number => Number(value.toFixed(1));

export function x509Text(result: X509BenchResult): string {
  const { validate, parse_and_validate: both, parse_us: parsing, batch } = result;
  return [
    `validation ${validate.us} µs, its two signature checks alone ${validate.raw_signatures_us} µs: ratio ${validate.ratio}`,
    `parse and validate: ${both.cold_per_second}/s cold, ${both.cached_per_second}/s from the cache`,
    `parse: ${parsing.ours} µs a certificate, @peculiar/asn1-x509 ${parsing.peculiar} µs`,
    `batch: ${batch.cases} cases in ${batch.seconds} s`,
    ...result.hostile.map(({ name, reason, ms }) => `hostile: ${ms} ms, ${reason}: ${name}`),
    ...result.memory.map(
      ({ validations, heap_mb: heap, rss_mb: rss }) =>
        `memory after ${validations}: heap ${heap} MB, RSS ${rss} MB`,
    ),
  ].join('\n');
}
