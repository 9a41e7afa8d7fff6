/** What waits for one reader: events in order, their bytes counted, an end. */
import type { UpstreamFailure, ServerEvent } from '../../ports.ts';

type Held = { readonly event: ServerEvent; readonly bytes: number };

/** Unbounded itself: whoever fills it looks at `bytes`. */
export class Outlet {
  /** Of what was not taken yet. */
  bytes = 0;
  readonly #onTaken: () => void;
  readonly #held: Held[] = [];
  #isOver = false;
  #failure: UpstreamFailure | undefined;
  #wake: (() => void) | undefined;

  /** `onTaken`: there is less to wait for. */
  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  push(event: ServerEvent, bytes: number): void {
    if (this.#isOver) return;
    this.#held.push({ event, bytes });
    this.bytes += bytes;
    this.#wake?.();
  }

  /** After what is held. */
  end(failure?: UpstreamFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#wake?.();
  }

  /** What is held is nobody's any more; who still reads is told why. */
  drop(failure: UpstreamFailure): void {
    if (!this.#isOver) this.#failure = failure;
    this.#isOver = true;
    this.#held.length = 0;
    this.bytes = 0;
    this.#wake?.();
    this.#onTaken();
  }

  /** Undefined: it is over. Throws what it ended with. One reader at a time. */
  async take(): Promise<ServerEvent | undefined> {
    for (;;) {
      const held = this.#held.shift();
      if (held !== undefined) {
        this.bytes -= held.bytes;
        this.#onTaken();
        return held.event;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#isOver) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = undefined;
    }
  }

  /** Undefined when there is nothing at hand. */
  peek(): ServerEvent | undefined {
    return this.#held[0]?.event;
  }

  /** Resolves when there is something to take, or it is over. */
  async ready(): Promise<void> {
    if (this.#held.length > 0 || this.#isOver) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }
}
