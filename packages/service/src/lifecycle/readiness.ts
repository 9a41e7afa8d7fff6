export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, for a person; never a stack or a secret. */
  readonly problem?: string;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: readonly CheckResult[];
}

export interface ReadinessOptions {
  /** A check that takes longer counts as failed. Default 1000 ms. */
  readonly timeoutMs?: number;
}

/** Named checks that all must pass. */
export interface Readiness {
  /** Rejecting means not ready; a thrown `SallyportError`'s message is shown, anything else is not. */
  add(name: string, check: (signal: AbortSignal) => Promise<void>): void;
  report(): Promise<ReadinessReport>;
}

export function createReadiness(_options: ReadinessOptions = {}): Readiness {
  throw new Error('in progress');
}
