/**
 * The client's idea of gateway time: its own clock and an offset, first seen in ServerHello and refreshed by
 * acknowledgements. It moves slowly, so that no single acknowledgement can push a client out of the time window.
 */

/** At most a second for each minute since the last change. */
const SLEW_PER_MS = 1000 / 60_000;

export class GatewayClock {
  readonly #localClock: () => number;
  #offsetMs: number;
  #adjustedAtMs: number;

  /**
   * `localClock` gives milliseconds and never jumps (a monotonic clock on an epoch base). `gatewayTimeMs` was read by the
   * gateway between `askedAtMs` and now.
   */
  constructor(localClock: () => number, gatewayTimeMs: number, askedAtMs: number) {
    this.#localClock = localClock;
    const now = localClock();
    this.#offsetMs = gatewayTimeMs + Math.max(0, now - askedAtMs) / 2 - now;
    this.#adjustedAtMs = now;
  }

  /** Gateway time now, in whole milliseconds. */
  readonly now = (): number => Math.max(0, Math.round(this.#localClock() + this.#offsetMs));

  /** Moves towards a gateway time just received, by at most 1 s for each minute since the last move. */
  adjust(gatewayTimeMs: number): void {
    const now = this.#localClock();
    const wanted = gatewayTimeMs - now - this.#offsetMs;
    const most = Math.max(0, now - this.#adjustedAtMs) * SLEW_PER_MS;
    this.#offsetMs += Math.min(most, Math.max(-most, wanted));
    this.#adjustedAtMs = now;
  }
}
