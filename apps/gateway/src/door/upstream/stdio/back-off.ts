/** How long nothing is started after failures in a row, by what failed. */
import { Recent } from '../owners.ts';

const FIRST_MS = 250;
const MAX_MS = 30_000;
/** After so long without a failure it counts from the start again. */
const FORGET_MS = 300_000;
const MAX_KEYS = 4_096;

type Failures = { readonly count: number; readonly atMs: number };

/** One failure is forgiven; from the second on 250 ms, doubled each time, 30 s at most. Of 4,096 keys; the oldest gives way. */
export class BackOff {
  readonly #failures = new Recent<string, Failures>(MAX_KEYS);
  readonly #monotonic: () => number;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  failed(key: string): void {
    this.#failures.set(key, { count: this.failuresOf(key) + 1, atMs: this.#monotonic() });
  }

  worked(key: string): void {
    this.#failures.delete(key);
  }

  failuresOf(key: string): number {
    const known = this.#failures.get(key);
    return known === undefined || this.#monotonic() - known.atMs > FORGET_MS ? 0 : known.count;
  }

  /** 0: at once. The first failure costs nothing: a child may die of one bad day. */
  waitMs(key: string): number {
    const count = this.failuresOf(key);
    const known = this.#failures.get(key);
    if (count < 2 || known === undefined) return 0;
    const wait = Math.min(MAX_MS, FIRST_MS * 2 ** (count - 2));
    return Math.max(0, known.atMs + wait - this.#monotonic());
  }
}
