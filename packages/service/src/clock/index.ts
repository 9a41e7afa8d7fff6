/**
 * Time as a port, so that no use case reads the machine's clock by itself.
 *
 * Two readings, never mixed: `now` is civil time and may jump; `monotonic` never goes backwards and measures durations.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch (UTC). May jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds since an arbitrary start; never decreases, fractional. Only differences mean something. */
  monotonic(): number;
}

/** A clock that moves only when told to, for tests. */
export interface ManualClock extends Clock {
  /** Moves both readings forward by `ms` (>= 0). */
  advance(ms: number): void;
  /** Sets civil time as an administrator would: `monotonic` does not move. */
  setNow(epochMs: number): void;
}

/** The machine's clock. */
export function systemClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now() };
}

/** A clock for tests, starting at `epochMs` with `monotonic` at 0. Throws `RangeError` when moved backwards. */
export function manualClock(epochMs = Date.UTC(2026, 0, 1)): ManualClock {
  let now = epochMs;
  let monotonic = 0;
  return {
    now: () => now,
    monotonic: () => monotonic,
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`a clock advances by 0 ms or more, got ${ms}`);
      now += ms;
      monotonic += ms;
    },
    setNow(value) {
      now = value;
    },
  };
}
