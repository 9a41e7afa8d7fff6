/** Choices at random that a seed repeats. */
export interface Draw {
  /** A whole number from 0 to `end` - 1. */
  below(end: number): number;
  chance(probability: number): boolean;
  pick<T>(values: readonly T[]): T;
  /** From `least` to `most` of them, each place drawn anew. */
  several<T>(values: readonly T[], least: number, most: number): T[];
}

/** Mulberry32, public domain. Each case has its own stream: case 12,345 is repeated without the cases before it. */
export function createDraw(seed: number, index: number): Draw {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  return {
    below,
    pick,
    chance: (probability) => next() < probability,
    several: (values, least, most) =>
      Array.from({ length: least + below(most - least + 1) }, () => pick(values)),
  };
}
