/** What a child said that belongs to no stream, until somebody listens: so much, and the oldest goes first. */
import { isRequest, type Message, type RequestId } from '@sallyport/model-context';

const MAX_MESSAGES = 64;
const MAX_BYTES = 256 * 1024;

type Held = { readonly message: Message; readonly bytes: number };

/** At most 64 messages and 256 KiB. */
export class Waiting {
  /** Of a request that waits no longer: the server is to be told. */
  readonly #onRefused: (id: RequestId) => void;
  #held: Held[] = [];
  #bytes = 0;

  constructor(onRefused: (id: RequestId) => void) {
    this.#onRefused = onRefused;
  }

  push(held: Held): void {
    this.#held.push(held);
    this.#bytes += held.bytes;
    while (this.#held.length > MAX_MESSAGES || this.#bytes > MAX_BYTES) {
      const oldest = this.#held.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
      if (isRequest(oldest.message)) this.#onRefused(oldest.message.id);
    }
  }

  takeAll(): readonly Held[] {
    const held = this.#held;
    this.#held = [];
    this.#bytes = 0;
    return held;
  }
}
