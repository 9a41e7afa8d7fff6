/**
 * Bounds attempts by key and window, in memory: of one replica, of this run. Passwords are also slow by themselves; this
 * keeps a guesser from having many of them tried, without anybody else being locked out.
 */
export type Throttle = {
  /** Counts one and says whether it may go on. */
  admit(key: string): boolean;
  /** Forgets a key, after a success. */
  clear(key: string): void;
};

export function throttle(options: {
  readonly limit: number;
  readonly windowMs: number;
  /** Keys kept; beyond it the oldest is forgotten. */
  readonly maxKeys?: number;
  /** Milliseconds, monotonic. */
  readonly monotonic: () => number;
}): Throttle {
  const { limit, windowMs, maxKeys = 4096, monotonic } = options;
  const windows = new Map<string, { readonly since: number; count: number }>();
  return {
    admit(key) {
      const now = monotonic();
      let window = windows.get(key);
      if (window === undefined || now - window.since >= windowMs) {
        windows.delete(key);
        if (windows.size >= maxKeys) windows.delete(windows.keys().next().value ?? '');
        window = { since: now, count: 0 };
        windows.set(key, window);
      }
      window.count += 1;
      return window.count <= limit;
    },
    clear: (key) => void windows.delete(key),
  };
}
