/** Exchanges that are made here: of messages that are at hand, or of none. */
import type { Message, ParseBounds } from '@sallyport/model-context';
import type { Exchange, ServerEvent } from '../ports.ts';
import { UpstreamFailure } from '../ports.ts';

/**
 * A server's messages may be larger than a client's: lists of everything it has. Their number of bytes is bounded by who
 * reads them. Members cost more than bytes: a third of a million with names of their own hold up everybody for seconds.
 */
export const SERVER_BOUNDS: Partial<ParseBounds> = { maxDepth: 128, maxMembers: 128 * 1024 };

/** A status and no message. */
export const nothing = (status: number): Exchange => ({ status, kind: 'none', messages: only([]) });

/** One message, as JSON and not as a stream. */
export const one = (status: number, message: Message, sessionId?: string): Exchange => ({
  status,
  kind: 'json',
  messages: only([{ message }]),
  ...(sessionId === undefined ? {} : { sessionId }),
});

async function* only(events: readonly ServerEvent[]): AsyncGenerator<ServerEvent> {
  yield* events;
}

/** Bytes of one exchange; with a window, of a stream that may stay open for days. */
export class ByteBudget {
  readonly #max: number;
  readonly #windowMs: number | undefined;
  readonly #monotonic: () => number;
  #used = 0;
  #sinceMs: number;

  constructor(max: number, windowMs: number | undefined, monotonic: () => number) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#monotonic = monotonic;
    this.#sinceMs = monotonic();
  }

  /** Throws `UpstreamFailure` (`too_large`). */
  take(bytes: number): void {
    const now = this.#monotonic();
    if (this.#windowMs !== undefined && now - this.#sinceMs > this.#windowMs) {
      this.#used = 0;
      this.#sinceMs = now;
    }
    this.#used += bytes;
    if (this.#used > this.#max)
      throw new UpstreamFailure('too_large', `the server sent more than ${this.#max} bytes`);
  }
}

/** Of streams that wait for a server. */
export const STREAM_WINDOW_MS = 600_000;
