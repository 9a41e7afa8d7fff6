/** Random choices that a printed seed repeats. */

export type Random = {
  readonly seed: number;
  /** A whole number from `low` up to, and not including, `high`. */
  between(low: number, high: number): number;
};

/** From `SALLYPORT_SEED` where it is set, else a fresh one. */
export function seededRandom(env: Readonly<Record<string, string | undefined>>): Random {
  const given = env['SALLYPORT_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given) >>> 0;
  let state = seed;
  // mulberry32: 32 bits of state, good enough to spread points in time.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, between: (low, high) => low + Math.floor(next() * (high - low)) };
}
