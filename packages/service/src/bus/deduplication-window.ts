import type { Clock } from '../clock/index.ts';

/** Ids seen within a time window, the oldest forgotten first and never more than `maxIds`. */
export class DeduplicationWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #maxIds: number;
  /** Id → when it was seen; insertion order is time order. */
  readonly #seen = new Map<string, number>();

  constructor(clock: Clock, windowMs: number, maxIds = 100_000) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#maxIds = maxIds;
  }

  has(id: string): boolean {
    this.#forget();
    return this.#seen.has(id);
  }

  add(id: string): void {
    this.#forget();
    this.#seen.set(id, this.#clock.monotonic());
  }

  #forget(): void {
    const oldest = this.#clock.monotonic() - this.#windowMs;
    for (const [id, at] of this.#seen) {
      if (at > oldest && this.#seen.size < this.#maxIds) return;
      this.#seen.delete(id);
    }
  }
}
