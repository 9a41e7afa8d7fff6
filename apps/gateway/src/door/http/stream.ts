/**
 * An `Exchange` as a response: one JSON object, or server-sent events as they come, no faster than the client reads them.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import {
  errorResponse,
  formatEvent,
  INTERNAL_ERROR,
  KEEP_ALIVE,
  RETRY_LATER,
  type RequestId,
} from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type ServerEvent } from '../ports.ts';
import { answer, RETRY_AFTER_S } from './answers.ts';

export type StreamPorts = {
  /** Aborts when the client is gone, its session is revoked or its token over, or the gateway stops. */
  readonly signal: AbortSignal;
  /** Of the request that is answered; undefined when nobody waits for a response. */
  readonly requestId: RequestId | undefined;
  readonly keepAliveMs: number;
  readonly onStream: () => Disposable;
};

const MS_PER_SECOND = 1_000;

/** Resolves when the response is complete or cut. Rejects with what `messages` threw that is no `UpstreamFailure`. */
export async function writeExchange(
  response: ServerResponse,
  exchange: Exchange,
  ports: StreamPorts,
): Promise<void> {
  if (exchange.sessionId !== undefined) response.setHeader('mcp-session-id', exchange.sessionId);
  const source = pulled(exchange.messages, ports.signal);
  try {
    if (exchange.kind === 'events' && exchange.status === 200)
      return await writeEvents(response, source, ports);
    const event = exchange.kind === 'none' ? undefined : await firstMessage(source);
    if (event === 'ended') return void response.destroy();
    const body = event?.message === undefined ? undefined : JSON.stringify(event.message);
    answer(
      response,
      exchange.status,
      body === undefined ? undefined : { type: 'application/json', text: body },
    );
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    answerFailure(response, error, ports.requestId);
  } finally {
    source.leave();
  }
}

async function writeEvents(
  response: ServerResponse,
  source: Pulled,
  { signal, requestId, keepAliveMs, onStream }: StreamPorts,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no', // 2026-07-28 "Streamable HTTP", Receiving Messages
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  using _open = onStream();
  const timer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(KEEP_ALIVE);
  }, keepAliveMs);
  // A client can come back to where it was: then the answer is not lost with this stream, and must not be denied.
  let isResumable = false;
  try {
    for (;;) {
      const event = await source.next();
      if (event === undefined || event === 'ended') break;
      isResumable ||= event.id !== undefined;
      if (!response.write(formatEvent(event))) await drained(response, signal);
    }
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    if (requestId !== undefined && !isResumable)
      response.write(formatEvent({ message: failureMessage(error, requestId) }));
  } finally {
    clearInterval(timer);
    // A client that reads nothing would keep what is written for as long as it likes.
    if (signal.aborted && response.writableNeedDrain) response.destroy();
    else response.end();
  }
}

async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  await once(response, 'drain', { signal }).catch(() => undefined);
}

async function firstMessage(source: Pulled): Promise<ServerEvent | 'ended' | undefined> {
  for (;;) {
    const event = await source.next();
    if (event === undefined || event === 'ended' || event.message !== undefined) return event;
  }
}

/** Trouble on the way to a server, or there, told to who waits for its answer. */
export function answerFailure(
  response: ServerResponse,
  failure: UpstreamFailure,
  requestId: RequestId | undefined,
): void {
  if (response.headersSent) return;
  if (requestId !== undefined) {
    const text = JSON.stringify(failureMessage(failure, requestId));
    return answer(response, 200, { type: 'application/json', text });
  }
  const text = JSON.stringify(errorResponse(null, codeOf(failure), textOf(failure)));
  answer(response, failure.isWithoutEffect ? 503 : 502, { type: 'application/json', text });
}

function failureMessage(failure: UpstreamFailure, requestId: RequestId) {
  const data = failure.isWithoutEffect
    ? { retryAfterMs: RETRY_AFTER_S * MS_PER_SECOND, problem: failure.problem }
    : { problem: failure.problem };
  return errorResponse(requestId, codeOf(failure), textOf(failure), data);
}

const codeOf = ({ isWithoutEffect }: UpstreamFailure): number =>
  isWithoutEffect ? RETRY_LATER : INTERNAL_ERROR;

const TEXTS: Readonly<Record<UpstreamFailure['problem'], string>> = {
  unreachable: 'The server behind the gateway cannot be reached. Nothing happened; try again.',
  busy: 'There is no room for this request now. Nothing happened; try again.',
  timeout: 'The server behind the gateway did not answer in time. Whether it acted is not known.',
  broke_off: 'The server behind the gateway broke off. Whether it acted is not known.',
  too_large: 'The answer of the server behind the gateway is too large.',
  malformed: 'The server behind the gateway answered something that is not the protocol.',
  cancelled: 'The request was cancelled.',
};

const textOf = ({ problem }: UpstreamFailure): string => TEXTS[problem];

type Pulled = {
  /** The next event; undefined at the end, `ended` once the signal aborts. One at a time. */
  next(): Promise<ServerEvent | 'ended' | undefined>;
  /** Cancels what was not read. Never waits. */
  leave(): void;
};

/** An iteration that stops waiting when the signal aborts, whatever the source does. */
function pulled(messages: AsyncIterable<ServerEvent>, signal: AbortSignal): Pulled {
  const iterator = messages[Symbol.asyncIterator]();
  let stop: (() => void) | undefined;
  const onAbort = (): void => stop?.();
  signal.addEventListener('abort', onAbort);
  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return resolve('ended');
        stop = () => resolve('ended');
        iterator.next().then(
          ({ done, value }) => resolve(done === true ? undefined : value),
          (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
        );
      }),
    leave() {
      signal.removeEventListener('abort', onAbort);
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    },
  };
}
