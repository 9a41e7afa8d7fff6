/**
 * A circuit breaker: a destination that fails too often gets a rest, and nobody waits for it meanwhile.
 *
 * Closed: everything passes; at `failureRatio` failures of at least `minCalls` within `windowMs` it opens. Open: nothing
 * passes for `openMs`. Half-open: one call at a time passes; its success closes, its failure opens anew.
 */
export type BreakerConfig = {
  readonly minCalls: number;
  /** Above 0, at most 1. */
  readonly failureRatio: number;
  readonly windowMs: number;
  readonly openMs: number;
};

export const DEFAULT_BREAKER: BreakerConfig = {
  minCalls: 10,
  failureRatio: 0.5,
  windowMs: 10_000,
  openMs: 5_000,
};

export type BreakerState = 'closed' | 'half_open' | 'open';

/** `undefined`: it says nothing about the destination, such as a call that we gave up. Told once. */
export type Passage = (isHealthy: boolean | undefined) => void;

/** Of the window, in so many parts: the oldest is forgotten at once. */
const PARTS = 10;

type Part = { index: number; calls: number; failures: number };

export class Breaker {
  readonly #config: BreakerConfig;
  readonly #monotonic: () => number;
  #parts: Part[] = [];
  #openUntilMs: number | undefined;
  #isProbing = false;
  /** Raised with each change of state: what began before it no longer counts. */
  #era = 0;

  constructor(config: BreakerConfig, monotonic: () => number) {
    this.#config = config;
    this.#monotonic = monotonic;
  }

  get state(): BreakerState {
    if (this.#openUntilMs === undefined) return 'closed';
    return this.#monotonic() < this.#openUntilMs ? 'open' : 'half_open';
  }

  /** How long nothing passes; 0 unless open. */
  get restMs(): number {
    return Math.max(0, (this.#openUntilMs ?? 0) - this.#monotonic());
  }

  /** To be called with what came of it; undefined = no passage. */
  enter(): Passage | undefined {
    const { state } = this;
    if (state === 'open' || (state === 'half_open' && this.#isProbing)) return undefined;
    const isProbe = state === 'half_open';
    if (isProbe) this.#isProbing = true;
    const era = this.#era;
    return (isHealthy) => {
      if (era !== this.#era) return;
      if (isProbe) this.#isProbing = false;
      if (isHealthy === undefined) return;
      if (isProbe) this.#change(isHealthy ? undefined : this.#monotonic() + this.#config.openMs);
      else this.#count(isHealthy);
    };
  }

  #count(isHealthy: boolean): void {
    const { windowMs, minCalls, failureRatio, openMs } = this.#config;
    const now = this.#monotonic();
    const index = Math.floor((now * PARTS) / windowMs);
    this.#parts = this.#parts.filter((part) => part.index > index - PARTS);
    let part = this.#parts.at(-1);
    if (part?.index !== index) {
      part = { index, calls: 0, failures: 0 };
      this.#parts.push(part);
    }
    part.calls += 1;
    if (isHealthy) return;
    part.failures += 1;
    const calls = this.#parts.reduce((sum, each) => sum + each.calls, 0);
    const failures = this.#parts.reduce((sum, each) => sum + each.failures, 0);
    if (calls >= minCalls && failures >= calls * failureRatio) this.#change(now + openMs);
  }

  #change(openUntilMs: number | undefined): void {
    this.#openUntilMs = openUntilMs;
    this.#isProbing = false;
    this.#parts = [];
    this.#era += 1;
  }
}
