/** Counts one validation's work against its limits. Thrown out of, never returned through, every layer. */
import type { Limits } from './limits.ts';

/** The counted kinds of work. */
export type Effort =
  'certificates' | 'buildSteps' | 'candidatePaths' | 'signatureChecks' | 'nameComparisons' | 'policyNodes';

/** Caught by `validate` alone, which answers `limit`. */
export class WorkLimitExceeded extends Error {
  readonly effort: Effort;
  constructor(effort: Effort, limit: number) {
    super(`more than ${limit} ${effort}`);
    this.effort = effort;
  }
}

export interface Work {
  /** Counts `amount` (1 unless told); throws `WorkLimitExceeded` beyond the limit. */
  spend(effort: Effort, amount?: number): void;
  spent(effort: Effort): number;
}

export function startWork(limits: Limits): Work {
  const spent: Record<Effort, number> = {
    certificates: 0,
    buildSteps: 0,
    candidatePaths: 0,
    signatureChecks: 0,
    nameComparisons: 0,
    policyNodes: 0,
  };
  return {
    spend(effort, amount = 1) {
      spent[effort] += amount;
      if (spent[effort] > limits[effort]) throw new WorkLimitExceeded(effort, limits[effort]);
    },
    spent: (effort) => spent[effort],
  };
}
