/**
 * Lets each key through so often in an hour. A server that shows another definition each time it is asked would else
 * write a finding each time.
 */
const windowMs = 3_600_000;
const perWindow = 30;
/** Keys remembered; the one that began first is forgotten first, which lets it through again. */
const maxKeys = 20_000;

export function floodGate(monotonicMs: () => number): (key: string) => boolean {
  const windows = new Map<string, { fromMs: number; count: number }>();
  return (key) => {
    const nowMs = monotonicMs();
    const window = windows.get(key);
    if (window !== undefined && nowMs - window.fromMs < windowMs) {
      window.count += 1;
      return window.count <= perWindow;
    }
    windows.delete(key);
    windows.set(key, { fromMs: nowMs, count: 1 });
    if (windows.size > maxKeys) {
      for (const oldest of windows.keys()) {
        windows.delete(oldest);
        break;
      }
    }
    return true;
  };
}
