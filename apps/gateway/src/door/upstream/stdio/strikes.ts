/** How often a child may write what is not the protocol, until it is one that cannot be used. */
import { UpstreamFailure } from '../../ports.ts';

const MAX_STRIKES = 16;
const WINDOW_MS = 60_000;

/** 16 within a minute. */
export class Strikes {
  readonly #monotonic: () => number;
  #atMs: number[] = [];

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** Throws `UpstreamFailure` (`malformed`) for one too many. */
  add(): void {
    const now = this.#monotonic();
    this.#atMs = this.#atMs.filter((at) => now - at < WINDOW_MS);
    this.#atMs.push(now);
    if (this.#atMs.length >= MAX_STRIKES)
      throw new UpstreamFailure('malformed', 'the server does not keep to the protocol');
  }
}
