/** So many at a time, and a bounded line behind them: who waits has certainly not been sent. */
export class Slots {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(slots: number, maxWaiting: number) {
    this.#free = slots;
    this.#maxWaiting = maxWaiting;
  }

  /** Resolves to what gives the slot back; undefined when the line is full or the signal came first. */
  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined;
    if (this.#free > 0) {
      this.#free -= 1;
      return this.#release();
    }
    if (this.#waiting.length >= this.#maxWaiting) return undefined;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const turn = (): void => resolve(true);
    const leave = (): void => {
      const at = this.#waiting.indexOf(turn);
      if (at >= 0) this.#waiting.splice(at, 1);
      resolve(false);
    };
    this.#waiting.push(turn);
    signal.addEventListener('abort', leave, { once: true });
    const isTurn = await promise;
    signal.removeEventListener('abort', leave);
    return isTurn ? this.#release() : undefined;
  }

  #release(): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
  }
}
