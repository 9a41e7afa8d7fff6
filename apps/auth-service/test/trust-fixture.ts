/** What the suites of trust domains share: two authorities, files in memory, and short ways to ask. */
import { memoryLog } from '@sallyport/service/testing';
import type { CertificatesConfig } from '../src/certificates-config.ts';
import type { Files } from '../src/clients/trust/files.ts';
import { liveTrust, type LiveTrust } from '../src/clients/trust/live-trust.ts';
import { fetchers, trustDomainSpecs } from '../src/clients/trust/specs.ts';
import {
  createAuthority,
  createLeaf,
  KeyUsageFlags,
  NOW,
  TRUST_DOMAIN,
  type Authority,
  type LeafOptions,
} from './pki.ts';

export type Partner = CertificatesConfig['trustDomains'][number];
export const PARTNER = 'partner.example';

const caUsage = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
export const [ours, theirs] = await Promise.all([createAuthority({ caUsage }), createAuthority({ caUsage })]);

/** Files out of memory; writing counts up their version. */
function memoryFiles(contents: Record<string, string | Uint8Array>) {
  const versions = new Map<string, number>();
  const files: Files = {
    async read(path) {
      const content = contents[path];
      if (content === undefined) throw new TypeError(`${path}: no such file`);
      return typeof content === 'string' ? new TextEncoder().encode(content) : content;
    },
    async version(path) {
      if (contents[path] === undefined) throw new TypeError(`${path}: no such file`);
      return String(versions.get(path) ?? 0);
    },
  };
  return {
    files,
    write(path: string, content: string | Uint8Array) {
      contents[path] = content;
      versions.set(path, (versions.get(path) ?? 0) + 1);
    },
  };
}

const agents = {
  from: 'uri',
  pattern: `spiffe://${PARTNER}/agent/{name}`,
  principal: 'workload:partner.{name}',
} as const;
export const partner = (change: Partial<Partner> = {}): Partner => ({
  name: PARTNER,
  anchorsFile: 'partner.pem',
  profile: 'mcp-client',
  identities: [agents],
  intermediatesFile: undefined,
  requiredUsages: [],
  denyListFile: undefined,
  revocation: undefined,
  unsafeAllowAnyPrincipal: false,
  ...change,
});
export const revocation = (change: Partial<NonNullable<Partner['revocation']>> = {}) => ({
  mode: 'crl' as const,
  onUnknown: 'hard' as const,
  crlFiles: [],
  fetch: false,
  unsafeAllowPrivateHosts: [],
  ...change,
});

export async function trusting(
  certificates: Partial<CertificatesConfig>,
  contents: Record<string, string | Uint8Array> = {},
) {
  const memory = memoryFiles({ 'own.pem': ours.pem, 'partner.pem': theirs.pem, ...contents });
  const unknown: string[] = [];
  const clock = { ms: 0 };
  const specs = trustDomainSpecs(
    { name: TRUST_DOMAIN, anchors: { file: 'own.pem' } },
    {
      intermediatesFile: undefined,
      requiredUsages: [],
      denyListFile: undefined,
      revocation: undefined,
      trustDomains: [],
      ...certificates,
    },
  );
  const trust = await liveTrust({
    specs,
    files: memory.files,
    fetcher: fetchers(specs, () => NOW),
    onUnknownStatus: (domain) => unknown.push(domain),
    monotonic: () => clock.ms,
    log: memoryLog(),
  });
  return { ...memory, trust, unknown, clock };
}

/** Looks twice: a file has to stand still in between. */
export async function reloaded(trust: LiveTrust): Promise<void> {
  await trust.reload();
  await trust.reload();
}

export async function judged(
  trust: LiveTrust,
  options: Omit<LeafOptions, 'issuer'> & { issuer?: Authority },
) {
  const leaf = await createLeaf({ issuer: theirs, ...options });
  return verdictOf(trust, leaf.chainDer);
}

export async function verdictOf(
  trust: LiveTrust,
  chainDer: readonly Uint8Array[],
  use: 'client' | 'gateway' = 'client',
) {
  const verdict = await trust.verifyChain(chainDer, use, NOW);
  return verdict.ok ? verdict.principal : verdict.cause;
}

export const agent = `spiffe://${PARTNER}/agent/seven`;
