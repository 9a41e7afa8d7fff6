/** Section 6.1 over issued certificates, with the inputs that a test does not care about. */
import { expect, it } from 'vitest';
import { createCache } from '../../src/cache.ts';
import type { TrustAnchor } from '../../src/input.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import type { PathContext, PathOutcome } from '../../src/path/types.ts';
import { validatePath } from '../../src/path/validate-path.ts';
import { createSignatureChecker } from '../../src/signature/checker.ts';
import { DEFAULT_ALGORITHMS, type AlgorithmPolicy } from '../../src/signature/policy.ts';
import { startWork } from '../../src/work.ts';
import type { Issued } from './pki.ts';
import { AT } from './signed.ts';

export interface PathOptions extends Partial<Omit<PathContext, 'signatures' | 'work'>> {
  readonly algorithms?: AlgorithmPolicy;
  readonly limits?: Partial<Limits>;
  /** Instead of the anchor's certificate: its name and key alone. */
  readonly isBareAnchor?: boolean;
}

export function anchorOf({ certificate }: Issued, isBare = false): TrustAnchor {
  const { subject: name, subjectPublicKeyInfo } = certificate;
  return { name, subjectPublicKeyInfo, certificate: isBare ? undefined : certificate };
}

/** `chain`: anchor first, leaf last, as hierarchies are made. */
export function pathOutcome(chain: readonly Issued[], options: PathOptions = {}): PathOutcome {
  const [anchor, ...below] = chain;
  if (anchor === undefined) throw new Error('a chain begins with an anchor');
  const { algorithms = DEFAULT_ALGORITHMS, limits, isBareAnchor, ...inputs } = options;
  const work = startWork({ ...DEFAULT_LIMITS, ...limits });
  return validatePath(
    {
      certificates: below.map(({ certificate }) => certificate).reverse(),
      anchor: anchorOf(anchor, isBareAnchor),
    },
    {
      atMs: AT.getTime(),
      policies: {},
      nameConstraints: undefined,
      maxIntermediates: undefined,
      extendedKeyUsage: [],
      signatures: createSignatureChecker(algorithms, createCache(), work),
      work,
      ...inputs,
    },
  );
}

/** `valid`, or `reason | section | place`, 0 = leaf: what a table of tests says in one string. */
export function pathVerdict(chain: readonly Issued[], options: PathOptions = {}): string {
  const outcome = pathOutcome(chain, options);
  if (outcome.ok) return 'valid';
  const { reason, section, certificate } = outcome.failure;
  return `${reason} | ${section.replace(/^RFC 5280 section /u, '')} | ${certificate}`;
}

/** One test a row: what `pathVerdict` says of a chain. */
export function pathTable(
  rows: readonly (readonly [
    title: string,
    chain: readonly Issued[],
    verdict: string,
    options?: PathOptions,
  ])[],
): void {
  for (const [title, chain, verdict, options] of rows)
    it(title, () => {
      expect(pathVerdict(chain, options)).toBe(verdict);
    });
}
