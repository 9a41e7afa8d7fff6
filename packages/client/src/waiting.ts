/** What has not left yet, first in first out, bounded in number and bytes so that a fast caller cannot fill the memory. */
import type { OutgoingMessage } from '@sallyport/channel';

export type Sendable = {
  readonly message: OutgoingMessage;
  /** Set when it left in this epoch and has no answer. */
  sequence: number | undefined;
  /** Set when it first left, in gateway time; from then on it may have taken effect, and what is sent is a resend. */
  firstSentAtMs: number | undefined;
  /** What left last was a resend. */
  isResend?: boolean;
};

// A message larger than this still waits where nothing else does.
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

export class Waiting {
  readonly #max: number;
  readonly #messages = new Set<Sendable>();
  #bytes = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#messages.size;
  }

  get isFull(): boolean {
    return this.#messages.size >= this.#max || this.#bytes >= MAX_WAITING_BYTES;
  }

  has(sendable: Sendable): boolean {
    return this.#messages.has(sendable);
  }

  add(sendable: Sendable): void {
    if (this.#messages.has(sendable)) return;
    this.#messages.add(sendable);
    this.#bytes += sendable.message.payload.length;
  }

  remove(sendable: Sendable): void {
    if (this.#messages.delete(sendable)) this.#bytes -= sendable.message.payload.length;
  }

  /** Takes messages from the front while there are at most `max` and `fits` says yes; at least one where there is any. */
  take(max: number, fits: (sendable: Sendable) => boolean): Sendable[] {
    const taken: Sendable[] = [];
    for (const sendable of this.#messages) {
      if (taken.length >= max || (!fits(sendable) && taken.length > 0)) break;
      taken.push(sendable);
      this.remove(sendable);
    }
    return taken;
  }

  clear(): void {
    this.#messages.clear();
    this.#bytes = 0;
  }
}
