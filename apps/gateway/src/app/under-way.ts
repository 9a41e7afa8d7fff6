/**
 * What is being worked on, counted from the frame's arrival until the last of its messages is final: the bound that keeps
 * one client from holding the gateway's memory, and what shutdown waits for.
 */

export type UnderWayLimits = { readonly maxMessages: number; readonly maxBytes: number };

export class UnderWay {
  readonly #limits: UnderWayLimits;
  readonly #parent: UnderWay | undefined;
  #messages = 0;
  #bytes = 0;
  #waiting: (() => void)[] = [];

  /** What is taken here counts in `parent` too. */
  constructor(limits: UnderWayLimits, parent?: UnderWay) {
    this.#limits = limits;
    this.#parent = parent;
  }

  get messages(): number {
    return this.#messages;
  }

  /** For one frame of `messages` (at least 1) messages; undefined when that would be too much. */
  take(messages: number, bytes: number): FrameTicket | undefined {
    if (!this.#add(messages, bytes)) return undefined;
    return new FrameTicket(messages, () => this.#drop(messages, bytes));
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#messages === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #add(messages: number, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.#limits;
    if (this.#messages + messages > maxMessages || this.#bytes + bytes > maxBytes) return false;
    if (this.#parent !== undefined && !this.#parent.#add(messages, bytes)) return false;
    this.#messages += messages;
    this.#bytes += bytes;
    return true;
  }

  #drop(messages: number, bytes: number): void {
    this.#messages -= messages;
    this.#bytes -= bytes;
    if (this.#parent !== undefined) this.#parent.#drop(messages, bytes);
    if (this.#messages > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** A frame's place; given up when all of its messages are final. */
export class FrameTicket {
  readonly #release: () => void;
  #left: number;

  constructor(messages: number, release: () => void) {
    this.#left = messages;
    this.#release = release;
  }

  /** That many further messages of the frame are final. */
  settle(messages: number): void {
    if (this.#left <= 0) return;
    this.#left -= messages;
    if (this.#left <= 0) this.#release();
  }

  /** All of it, whatever happened. */
  abandon(): void {
    this.settle(this.#left);
  }
}
