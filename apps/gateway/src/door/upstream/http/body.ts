/** Bodies of answers, read within their bounds: bytes of a message, bytes of all, and the time between two events. */
import { eventParser, EventStreamError, type IncomingEvent } from '@sallyport/model-context';
import type { Dispatcher } from 'undici';
import { UpstreamFailure } from '../../ports.ts';
import type { ByteBudget } from '../exchanges.ts';

export type ResponseBody = Dispatcher.ResponseData['body'];

/** What is left of a body whose connection shall be used again. */
const LEFT_BYTES = 64 * 1024;
const LEFT_MS = 1_000;

/** The whole of it. Throws `UpstreamFailure` (`too_large`, `timeout`) and what the connection throws. */
export function readWhole(body: ResponseBody, maxBytes: number, withinMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    // Not only between two pieces: a body that comes byte by byte has as long as one that comes at once.
    const timer = setTimeout(() => body.destroy(late(withinMs)), withinMs);
    const isTooLarge = `the server sent a message of more than ${maxBytes} bytes`;
    body
      .on('data', (chunk: Uint8Array) => {
        length += chunk.length;
        if (length > maxBytes) body.destroy(new UpstreamFailure('too_large', isTooLarge));
        else chunks.push(chunk);
      })
      .on('end', () => resolve(Buffer.concat(chunks, length)))
      .on('error', reject)
      .on('close', () => {
        clearTimeout(timer);
        if (!body.readableEnded) reject(new UpstreamFailure('broke_off', 'the server broke off'));
      });
  });
}

/** Not read: a little is let pass, so that the connection lives. Never throws. */
export function discard(body: ResponseBody): void {
  const timer = setTimeout(() => body.destroy(), LEFT_MS);
  timer.unref();
  body
    .dump({ limit: LEFT_BYTES })
    .catch(() => undefined)
    .finally(() => clearTimeout(timer));
}

export type EventBounds = {
  readonly maxMessageBytes: number;
  readonly budget: ByteBudget;
  /** Waiting for a whole event; comments and pieces do not count as one. Absent: as long as it takes. */
  readonly idleMs?: number;
  readonly monotonic: () => number;
};

/**
 * Events as they come; nothing is read ahead of who takes them but the chunk at hand. Throws `UpstreamFailure` and what the
 * connection throws. What becomes of the body is up to the caller: it is to be discarded or destroyed.
 */
export async function* incomingEvents(
  body: ResponseBody,
  { maxMessageBytes, budget, idleMs, monotonic }: EventBounds,
): AsyncGenerator<IncomingEvent> {
  let ready: IncomingEvent[] = [];
  const parser = eventParser((event) => ready.push(event), { maxEventLength: maxMessageBytes });
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  let leftMs = idleMs ?? 0;
  for (;;) {
    // Only while we wait for the server: a client that takes its time is no fault of the server's.
    const sinceMs = monotonic();
    const timer =
      idleMs === undefined ? undefined : setTimeout(() => body.destroy(late(idleMs)), Math.max(1, leftMs));
    const next: IteratorResult<Uint8Array, unknown> = await chunks.next().finally(() => clearTimeout(timer));
    if (next.done === true) return;
    leftMs -= monotonic() - sinceMs;
    budget.take(next.value.length);
    push(parser, next.value);
    if (ready.length === 0) continue;
    leftMs = idleMs ?? 0;
    const events = ready;
    ready = [];
    yield* events;
  }
}

function push(parser: ReturnType<typeof eventParser>, chunk: Uint8Array): void {
  try {
    parser.push(chunk);
  } catch (error) {
    if (error instanceof EventStreamError) throw new UpstreamFailure(error.problem, error.message);
    throw error;
  }
}

function late(ms: number): UpstreamFailure {
  return new UpstreamFailure('timeout', `the server said nothing for ${ms} ms`);
}
