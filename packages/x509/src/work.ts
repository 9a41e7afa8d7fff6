/** Counts one validation's work against its limits. Thrown out of, never returned through, every layer. */
import type { Limits } from './limits.ts';

/** The counted kinds of work. */
export type Effort =
  | 'certificates'
  | 'buildSteps'
  | 'candidatePaths'
  | 'pathBytes'
  | 'signatureChecks'
  | 'nameComparisons'
  | 'nameBytes'
  | 'policyNodes';

/** Caught by `validate` alone, which answers `limit`. */
export class WorkLimitExceeded extends Error {
  readonly effort: Effort;
  constructor(effort: Effort, limit: number) {
    super(`more than ${limit} ${effort}`);
    this.effort = effort;
  }
}

/** How much of each kind a validation did. */
export type WorkDone = Readonly<Record<Effort, number>>;

export interface Work {
  /** Counts `amount` (1 unless told); throws `WorkLimitExceeded` beyond the limit. */
  spend(effort: Effort, amount?: number): void;
  /** As it stands; it goes on counting. */
  readonly done: WorkDone;
}

export function startWork(limits: Limits): Work {
  const done: Record<Effort, number> = {
    certificates: 0,
    buildSteps: 0,
    candidatePaths: 0,
    pathBytes: 0,
    signatureChecks: 0,
    nameComparisons: 0,
    nameBytes: 0,
    policyNodes: 0,
  };
  return {
    spend(effort, amount = 1) {
      done[effort] += amount;
      if (done[effort] > limits[effort]) throw new WorkLimitExceeded(effort, limits[effort]);
    },
    done,
  };
}
