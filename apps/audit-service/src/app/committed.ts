/** Word of a commit to whoever waits for new leaves in this process. */
export type Committed = {
  notify(): void;
  /** Resolves at the next `notify`, after `timeoutMs` (another replica may have committed), or when aborted. */
  next(timeoutMs: number, signal: AbortSignal): Promise<void>;
};

export function committed(): Committed {
  let next = Promise.withResolvers<void>();
  return {
    notify() {
      const now = next;
      next = Promise.withResolvers();
      now.resolve();
    },
    async next(timeoutMs, signal) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
      await Promise.race([next.promise, promise]);
      clearTimeout(timer);
    },
  };
}
