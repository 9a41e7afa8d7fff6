/** Verifies signatures under a policy. */
import type { Work } from '../work.ts';
import type { AlgorithmPolicy } from './policy.ts';
import type { PublicKey, SignatureChecker } from './types.ts';

/** What checks remember of each other (`Cache` of this package has it). Nothing in it depends on a policy. */
export interface SignatureCache {
  readonly signatures: { get(key: string): boolean | undefined; set(key: string, value: boolean): unknown };
  readonly keys: { get(key: string): PublicKey | undefined; set(key: string, value: PublicKey): unknown };
}

export function createSignatureChecker(
  policy: AlgorithmPolicy,
  cache: SignatureCache,
  work: Work,
): SignatureChecker {
  void policy;
  void cache;
  void work;
  const failure = { reason: 'key_refused', section: '', detail: 'not there yet' } as const;
  return { loadKey: () => failure, check: () => failure };
}
