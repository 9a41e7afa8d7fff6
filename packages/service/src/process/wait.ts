/** Waiting for what is not there yet: a service that starts before its database waits for it, and does not crash. */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SallyportError } from '../errors/index.ts';

export interface WaitOptions {
  /** Ends the waiting: the error of the last attempt is thrown. */
  readonly signal: AbortSignal;
  /** Told of each attempt that failed and will be repeated. */
  readonly onWait: (error: SallyportError, attempt: number) => void;
  /** Waits before the 2nd, 3rd, … attempt, each a fifth longer or shorter; the last one repeats. */
  readonly backoffMs?: readonly number[];
}

const BACKOFF_MS = [100, 200, 500, 1_000, 2_000, 5_000];

/**
 * Repeats `attempt` while it fails in a way that may pass (a `SallyportError` that is retryable). Anything else is thrown
 * at once: what a person must mend does not get better by waiting.
 */
export async function waitFor<T>(attempt: () => Promise<T>, options: WaitOptions): Promise<T> {
  const { signal, onWait, backoffMs = BACKOFF_MS } = options;
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof SallyportError) || !error.retryable || signal.aborted) throw error;
      onWait(error, count);
      const base = backoffMs[Math.min(count, backoffMs.length) - 1] ?? 0;
      await delay((base * randomInt(80, 121)) / 100, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) throw error;
    }
  }
}
