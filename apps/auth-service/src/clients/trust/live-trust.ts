/**
 * Trust that changes without a restart: the files are looked at again, and what they hold now takes the place of what they
 * held, whole or not at all. A file that cannot be read or understood changes nothing, and is told.
 */
import type { Log } from '@sallyport/service/log';
import type { VerifyChain } from '../../app/ports.ts';
import type { CertificatePolicy } from '../../certificates-config.ts';
import type { Files } from './files.ts';
import { readMaterial, type TrustFiles } from './material.ts';
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

export interface LiveTrustParts extends Omit<ChainVerifierParts, 'domains'> {
  readonly specs: readonly TrustDomainSpec[];
  readonly files: Files;
  readonly log: Log;
}

/** Rejects with what `readMaterial` rejects with. */
export async function liveTrust({ specs, files, log, ...parts }: LiveTrustParts): Promise<LiveTrust> {
  let problem: string | undefined;
  let versions = await versionsOf(specs, files);
  let current = await read();

  async function read(): Promise<VerifyChain> {
    const domains = await Promise.all(
      specs.map(async (spec): Promise<TrustDomain> => ({
        ...spec,
        material: await readMaterial(trustFilesOf(spec), (path) => files.read(path)),
      })),
    );
    return chainVerifier({ ...parts, domains });
  }

  return {
    verifyChain: (...chain) => current(...chain),
    async reload() {
      try {
        const next = await versionsOf(specs, files);
        if (next === versions && problem === undefined) return;
        current = await read();
        versions = next;
        problem = undefined;
        log.info('trust was read again: anchors, deny-lists and revocation lists are those of now', {
          domains: specs.map(({ name }) => name),
        });
      } catch (error) {
        const what = error instanceof Error ? error.message : 'unknown';
        if (what !== problem)
          log.error('trust could not be read again; what was read before stands', { error });
        problem = what;
      }
    },
    check: () =>
      problem === undefined
        ? Promise.resolve()
        : Promise.reject(new Error(`trust is not current: ${problem}`)),
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

async function versionsOf(specs: readonly TrustDomainSpec[], files: Files): Promise<string> {
  const paths = specs.flatMap((spec) => {
    const { anchors, intermediatesFile, denyListFile, crlFiles } = trustFilesOf(spec);
    return [
      ...('file' in anchors ? [anchors.file] : []),
      ...(intermediatesFile === undefined ? [] : [intermediatesFile]),
      ...(denyListFile === undefined ? [] : [denyListFile]),
      ...crlFiles,
    ];
  });
  return (await Promise.all(paths.map((path) => files.version(path)))).join('\n');
}
