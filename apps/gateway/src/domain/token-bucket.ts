/** So many in a burst, so many a second: a bound on what others may cause. */
export type TokenBucket = {
  /** False when there is none left. */
  take(): boolean;
};

export function tokenBucket(
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  /** A clock that never goes back, in milliseconds. */
  monotonic: () => number,
): TokenBucket {
  let tokens = burst;
  let filledAtMs = monotonic();
  return {
    take() {
      const nowMs = monotonic();
      tokens = Math.min(burst, tokens + ((nowMs - filledAtMs) / 1000) * perSecond);
      filledAtMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
