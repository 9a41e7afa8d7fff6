/**
 * Inputs that are made to be slow end within the limits, with the reason that they deserve. Bounded by counts: the bench
 * prints what they take.
 */
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import type { Effort } from '../src/work.ts';
import { HOSTILE } from './support/hostile.ts';
import { run } from './support/validating.ts';

const EFFORTS: readonly Effort[] = [
  'certificates',
  'buildSteps',
  'candidatePaths',
  'pathBytes',
  'signatureChecks',
  'nameComparisons',
  'nameBytes',
  'policyNodes',
];

describe('ends within the limits', () => {
  test.each(HOSTILE)('%s', (_, make) => {
    const { reason, ...input } = make();
    const result = run(input);
    expect(result.valid ? 'valid' : result.failure.reason).toBe(reason);
    for (const effort of EFFORTS)
      expect(result.work[effort], effort).toBeLessThanOrEqual(DEFAULT_LIMITS[effort] + spentAtOnce(effort));
    expect(result.valid ? 0 : result.candidates.length).toBeLessThanOrEqual(64);
  });
});

/** What one step may count before it is refused: the names of one certificate, or the certificates of one input. */
function spentAtOnce(effort: Effort): number {
  return effort.endsWith('Bytes') ? DEFAULT_LIMITS.certificateBytes : 2_000;
}
