/** Server-sent events, both ways. Source: HTML Living Standard, "Server-sent events"; grammar by `eventsource-parser`. */
import { createParser } from 'eventsource-parser';
import type { Message } from './message.ts';

export type OutgoingEvent = {
  /** Absent: an event without data, which only carries `id` and `retryMs` (2025-11-25 priming). */
  readonly message?: Message;
  readonly id?: string;
  readonly retryMs?: number;
};

/** One event, text for UTF-8. `id` must have no line break (it is a sealed handle or comes from the parser below). */
export const formatEvent = (event: OutgoingEvent): string => {
  const id = event.id === undefined ? '' : `id: ${event.id.replaceAll(/[\r\n\0]/g, '')}\n`;
  const retry = event.retryMs === undefined ? '' : `retry: ${Math.max(0, Math.trunc(event.retryMs))}\n`;
  const type = event.message === undefined ? '' : 'event: message\n';
  // JSON has no raw line break, so one data line is enough; an empty one makes the id count.
  return `${type}${id}${retry}data: ${event.message === undefined ? '' : JSON.stringify(event.message)}\n\n`;
};

/** A comment, which keeps idle connections from being closed. */
export const KEEP_ALIVE = ':\n\n';

export type IncomingEvent = {
  /** Empty for a priming event. To be parsed with `parseMessage`. */
  readonly data: string;
  readonly id?: string;
  readonly retryMs?: number;
};

export type EventBounds = {
  /** UTF-16 units of one event that is not ended yet, fields of it together. */
  readonly maxEventLength: number;
};
export const EVENT_BOUNDS: EventBounds = { maxEventLength: 16 * 1024 * 1024 };

/** The stream is no event stream: not UTF-8, or an event over the bound. Nothing after it counts. */
export class EventStreamError extends Error {
  readonly problem: 'too_large' | 'malformed';
  constructor(problem: 'too_large' | 'malformed', message: string) {
    super(message);
    this.name = 'EventStreamError';
    this.problem = problem;
  }
}

export type EventParser = {
  /** Calls `onEvent` for every event that ends in this chunk. Throws `EventStreamError`. */
  push(chunk: Uint8Array): void;
};

/** Events of a type other than `message` are none of this protocol's and left out. */
export const eventParser = (
  onEvent: (event: IncomingEvent) => void,
  bounds: Partial<EventBounds> = {},
): EventParser => {
  const { maxEventLength } = { ...EVENT_BOUNDS, ...bounds };
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let retryMs: number | undefined;
  let failed: EventStreamError | undefined;
  const parser = createParser({
    maxBufferSize: maxEventLength,
    onRetry: (milliseconds) => {
      retryMs = milliseconds;
    },
    onEvent: ({ event, id, data }) => {
      const retry = retryMs;
      retryMs = undefined;
      if (event !== undefined && event !== '' && event !== 'message') return;
      onEvent({
        data,
        ...(id === undefined ? {} : { id }),
        ...(retry === undefined ? {} : { retryMs: retry }),
      });
    },
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') {
        failed = new EventStreamError('too_large', `An event is longer than ${maxEventLength}.`);
      }
    },
  });
  return {
    push: (chunk) => {
      if (failed !== undefined) throw failed;
      let text: string;
      try {
        text = decoder.decode(chunk, { stream: true });
      } catch {
        failed = new EventStreamError('malformed', 'The event stream is not UTF-8.');
        throw failed;
      }
      // A whole event inside one chunk never meets the parser's buffer, so chunks are kept below the bound as well.
      for (let at = 0; at < text.length; at += maxEventLength) {
        parser.feed(text.slice(at, at + maxEventLength));
        // Set by `onError` during `feed`.
        if (failed !== undefined) throw failed as EventStreamError;
      }
    },
  };
};
