/** The time that a message has in a route: one timer over all attempts, cleared when it is answered. */
export type Deadline = Disposable & {
  /** Aborts when the time is over or the gateway gives up. */
  readonly signal: AbortSignal;
  /** True when the time was the cause. */
  isLate(): boolean;
  remainingMs(): number;
};

// A timer that is cleared: what AbortSignal.timeout and AbortSignal.any make stays in memory for the whole of its time,
// answered or not.
export function startDeadline(ms: number, giveUp: AbortSignal, monotonic: () => number): Deadline {
  const ending = new AbortController();
  const endsAtMs = monotonic() + ms;
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    ending.abort();
  }, ms);
  const abort = (): void => ending.abort();
  giveUp.addEventListener('abort', abort);
  if (giveUp.aborted) abort();
  return {
    signal: ending.signal,
    isLate: () => isLate,
    remainingMs: () => Math.max(0, endsAtMs - monotonic()),
    [Symbol.dispose]() {
      clearTimeout(timer);
      giveUp.removeEventListener('abort', abort);
    },
  };
}

/** Resolves after `ms`, or at once when the signal aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
