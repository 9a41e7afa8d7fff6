/** A request under way with a child, as an HTTP server would answer it. */
import {
  HEADER_MISMATCH,
  isResponse,
  METHOD_NOT_FOUND,
  MISSING_CLIENT_CAPABILITY,
  UNSUPPORTED_PROTOCOL_VERSION,
  type Era,
  type Message,
} from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type ServerEvent } from '../../ports.ts';
import { one } from '../exchanges.ts';
import type { ExchangeEnd } from '../measure.ts';
import type { Outlet } from './outlet.ts';

/** So long an answer may come as one; then the client is told that there will be events. */
const AT_ONCE_MS = 2_000;

/** 2026-07-28 "Streamable HTTP": errors of the protocol itself have a status. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [METHOD_NOT_FOUND, 404],
  [HEADER_MISMATCH, 400],
  [MISSING_CLIENT_CAPABILITY, 400],
  [UNSUPPORTED_PROTOCOL_VERSION, 400],
]);

export type Reading = {
  readonly outlet: Outlet;
  readonly signal: AbortSignal;
  /** The reader is gone; nothing where it has ended. */
  readonly abandon: () => void;
  /** Once. */
  readonly onEnd: (end: ExchangeEnd) => void;
};

/** Rejects with `UpstreamFailure` when the first thing to come is the end. */
export async function answerTo(reading: Reading, era: Era): Promise<Exchange> {
  const told = begun(reading);
  const { outlet } = reading;
  const first = Promise.withResolvers<void>();
  const timer = setTimeout(() => first.resolve(), AT_ONCE_MS);
  await Promise.race([outlet.ready(), first.promise]);
  clearTimeout(timer);
  const message = outlet.peek()?.message;
  // Nothing at all, and it is over: that is no stream.
  if (message !== undefined ? !isResponse(message) : !outlet.isOver)
    return { status: 200, kind: 'events', messages: events(told) };
  try {
    const event = await outlet.take();
    if (event?.message === undefined) throw new UpstreamFailure('broke_off', 'the server did not answer');
    told.onEnd('answered');
    return one(era === 'stateless' ? statusOf(event.message) : 200, event.message);
  } catch (error) {
    if (error instanceof UpstreamFailure) told.onEnd(error.problem);
    throw error;
  }
}

/** What the server says by itself. */
export function listening(reading: Reading): Exchange {
  return { status: 200, kind: 'events', messages: events(begun(reading)) };
}

/** Ends with the signal even where nobody reads. */
function begun({ outlet, signal, abandon, onEnd }: Reading): Reading {
  let isOver = false;
  const leave = (): void => {
    abandon();
    over('cancelled');
  };
  const over = (end: ExchangeEnd): void => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener('abort', leave);
    onEnd(end);
  };
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  return { outlet, signal, abandon, onEnd: over };
}

async function* events({ outlet, abandon, onEnd }: Reading): AsyncGenerator<ServerEvent> {
  try {
    for (let event = await outlet.take(); event !== undefined; event = await outlet.take()) yield event;
    onEnd('answered');
  } catch (error) {
    if (error instanceof UpstreamFailure) onEnd(error.problem);
    throw error;
  } finally {
    abandon();
    onEnd('cancelled');
  }
}

const statusOf = (message: Message): number =>
  'error' in message ? (STATUS.get(message.error.code) ?? 200) : 200;
