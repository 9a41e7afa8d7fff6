/** Word of a commit to whoever waits for new leaves in this process. */
export type Committed = {
  notify(): void;
  /** Resolves at the next `notify`, after `timeoutMs` (another replica may have committed), or when aborted. */
  next(timeoutMs: number, signal: AbortSignal): Promise<void>;
};

export function committed(): Committed {
  // One wait leaves nothing behind, neither here nor on the signal: a reader may wait once a second for days.
  const waiting = new Set<() => void>();
  return {
    notify() {
      for (const wake of [...waiting]) wake();
    },
    async next(timeoutMs, signal) {
      if (signal.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      const timer = setTimeout(wake, timeoutMs);
      signal.addEventListener('abort', wake);
      waiting.add(wake);
      await promise;
      waiting.delete(wake);
      signal.removeEventListener('abort', wake);
      clearTimeout(timer);
    },
  };
}
