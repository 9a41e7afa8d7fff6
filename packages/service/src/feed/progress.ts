/**
 * What a follower knows of a feed, and when it must ask. Pure: time comes in as monotonic milliseconds.
 *
 * Two numbers: `applied`, through which everything took effect here, and `heard`, the highest that any source named.
 * Neither goes back, so replicas that lag and messages out of order change nothing. The follower is *current* at a moment
 * when a live source said that `applied` is the newest number and nobody ever named a higher one.
 */
export type ProgressTimes = {
  readonly silenceMs: number;
  readonly pollMs: number;
  /** Between polls while they fail; doubles from `pollMs` up to here. */
  readonly maxRetryMs: number;
};

export class FeedProgress {
  readonly #times: ProgressTimes;
  #applied = 0n;
  #heard = 0n;
  #saidAtMs: number;
  #currentAtMs: number;
  #wasCurrent = false;
  #isUnsure = true;
  #pollNotBeforeMs: number;
  #retryMs: number;
  #isFailing = false;

  constructor(times: ProgressTimes, nowMs: number) {
    this.#times = times;
    this.#saidAtMs = nowMs;
    this.#currentAtMs = nowMs;
    this.#pollNotBeforeMs = nowMs;
    this.#retryMs = times.pollMs;
  }

  get applied(): bigint {
    return this.#applied;
  }

  /** How many numbers were named and did not take effect here. */
  get lag(): bigint {
    return this.#heard > this.#applied ? this.#heard - this.#applied : 0n;
  }

  /** False until the first time that everything there is took effect here. */
  get wasCurrent(): boolean {
    return this.#wasCurrent;
  }

  /** Since it was last known that nothing is missing; before the first time, since the start. */
  ageMs(nowMs: number): number {
    return Math.max(0, nowMs - this.#currentAtMs);
  }

  /** A source named `number`; true when that is news. */
  hear(number: bigint, nowMs: number): boolean {
    if (number <= this.#heard) return false;
    this.#heard = number;
    if (number > this.#applied) this.#askSoon(nowMs);
    return true;
  }

  /**
   * Something came that says nothing: what it was about is found out by asking, in the turn that silence has. A neighbour
   * on the bus can have the broker's own receipts sent here, and must not set the pace of polls.
   */
  doubt(): void {
    this.#isUnsure = true;
  }

  /** Everything through `number` took effect. */
  advance(number: bigint): void {
    if (number > this.#applied) this.#applied = number;
    if (number > this.#heard) this.#heard = number;
  }

  /**
   * A publisher's word, true at `atMs`, that `last` is the newest number. True when that makes us current: a lower one is
   * a source that lags, or a database that went back, and vouches for nothing.
   */
  vouch(last: bigint, atMs: number): boolean {
    this.hear(last, atMs);
    if (last !== this.#applied || this.#heard !== this.#applied) return false;
    this.#currentAtMs = Math.max(this.#currentAtMs, atMs);
    this.#wasCurrent = true;
    return true;
  }

  /** The bus is alive: a heartbeat came that is not behind what we know. */
  beat(last: bigint, nowMs: number): boolean {
    if (last >= this.#applied) this.#saidAtMs = nowMs;
    return this.vouch(last, nowMs);
  }

  pollSucceeded(last: bigint, startedAtMs: number, nowMs: number, hasMore: boolean): boolean {
    this.#isFailing = false;
    this.#isUnsure = false;
    this.#retryMs = this.#times.pollMs;
    this.#pollNotBeforeMs = hasMore ? nowMs : nowMs + this.#times.pollMs;
    return this.vouch(last, startedAtMs);
  }

  pollFailed(nowMs: number): void {
    this.#isFailing = true;
    this.#pollNotBeforeMs = nowMs + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, this.#times.maxRetryMs);
  }

  /** When the next poll is due if nothing else comes: at once while something is missing, else when silence is too long. */
  dueAtMs(): number {
    const wantedAtMs =
      this.#isUnsure || this.#heard > this.#applied
        ? this.#pollNotBeforeMs
        : this.#saidAtMs + this.#times.silenceMs;
    return Math.max(wantedAtMs, this.#pollNotBeforeMs);
  }

  /** News need not wait for the turn that silence has, unless asking fails anyway. */
  #askSoon(nowMs: number): void {
    if (!this.#isFailing) this.#pollNotBeforeMs = Math.min(this.#pollNotBeforeMs, nowMs);
  }
}
