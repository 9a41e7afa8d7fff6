/**
 * Trust that changes without a restart: the files are looked at again, and what one holds now takes the place of what it
 * held. A file that cannot be read or understood changes nothing, keeps no other from changing, and is told.
 */
import { createCache } from '@sallyport/x509';
import type { Fetcher } from '@sallyport/x509/fetch';
import type { Log } from '@sallyport/service/log';
import type { VerifyChain } from '../../app/ports.ts';
import type { CertificatePolicy } from '../../certificates-config.ts';
import type { Files } from './files.ts';
import { watchMaterial, type TrustFiles, type WatchedMaterial } from './material.ts';
import { chainVerifier, type ChainVerifierParts, type TrustDomain } from './verify-chain.ts';

/** A trust domain as it is configured. */
export interface TrustDomainSpec extends Pick<TrustDomain, 'name' | 'rules' | 'profile'> {
  readonly anchors: TrustFiles['anchors'];
  readonly policy: CertificatePolicy;
}

export interface LiveTrust {
  readonly verifyChain: VerifyChain;
  /** Looks whether a file changed; never rejects. */
  reload(): Promise<void>;
  /** Rejects while what is in force is older than what the files should hold. */
  check(): Promise<void>;
}

export interface LiveTrustParts extends Omit<ChainVerifierParts, 'domains' | 'cache' | 'fetcher'> {
  readonly specs: readonly TrustDomainSpec[];
  readonly files: Files;
  /** Asked once for each; undefined: it does not fetch. */
  readonly fetcher: (spec: TrustDomainSpec) => Fetcher | undefined;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  readonly log: Log;
}

/** A look that takes longer is stuck, as on a file system that went away. */
const MAX_LOOK_MS = 30_000;

/** Rejects with what `watchMaterial` rejects with. */
export async function liveTrust(parts: LiveTrustParts): Promise<LiveTrust> {
  const { specs, files, fetcher, monotonic, log, ...rest } = parts;
  const domains: (TrustDomainSpec & { readonly material: WatchedMaterial })[] = [];
  for (const spec of specs)
    domains.push({ ...spec, material: await watchMaterial(trustFilesOf(spec), files) });
  // What was fetched and verified stays so when a file changes.
  const asked = new Map(specs.map((spec) => [spec.name, fetcher(spec)]));
  const cache = createCache();
  let current = now();
  let told = '';
  let lookingSince: number | undefined;

  function now(): VerifyChain {
    return chainVerifier({
      ...rest,
      cache,
      fetcher: ({ name }) => asked.get(name),
      domains: domains.map((domain) => ({ ...domain, material: domain.material.value })),
    });
  }

  function problems(): readonly string[] {
    return domains.flatMap(({ material }) => material.problems);
  }

  return {
    verifyChain: (...chain) => current(...chain),
    async reload() {
      lookingSince = monotonic();
      const changed: string[] = [];
      for (const { name, material } of domains) if (await material.look()) changed.push(name);
      lookingSince = undefined;
      if (changed.length > 0) {
        current = now();
        log.info('trust was read again: what the files hold is in force', { domains: changed });
      }
      const what = problems().join('; ');
      if (what !== told && what !== '')
        log.error('files of trust domains could not be read again; what was read before stands', {
          problems: what,
        });
      told = what;
    },
    async check() {
      const [problem] = problems();
      if (problem !== undefined) throw new Error(`trust is not current: ${problem}`);
      if (lookingSince !== undefined && monotonic() - lookingSince > MAX_LOOK_MS)
        throw new Error('trust is not current: reading its files takes too long');
    },
  };
}

function trustFilesOf({ anchors, policy }: TrustDomainSpec): TrustFiles {
  return {
    anchors,
    intermediatesFile: policy.intermediatesFile,
    denyListFile: policy.denyListFile,
    crlFiles: policy.revocation?.crlFiles ?? [],
  };
}
