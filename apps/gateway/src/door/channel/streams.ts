/**
 * Answers that are not over yet: over the channel an answer is one message, so what a server says bit by bit is asked for bit by
 * bit. Bounded in number for each session, and forgotten when nobody asks.
 */
import { randomBytes, toHex } from '@sallyport/crypto';
import { MAX_MODEL_CONTEXT_LINES } from '@sallyport/channel';
import type { Exchange, ServerEvent } from '../ports.ts';

export type Piece = {
  /** As soon as the server has begun to answer. */
  readonly exchange?: Exchange;
  /** JSON texts. */
  readonly lines: readonly string[];
  /** Present when there may be more. */
  readonly stream?: string;
};

export type StreamsPorts = {
  readonly maxPerSession: number;
  /** For how long the first piece is waited for: then its reader knows the stream, and can cancel it. */
  readonly firstWaitMs: number;
  /** For how long a later one is, before an empty one says so. */
  readonly waitMs: number;
  /** For how long a stream that nobody asks for is kept. */
  readonly keepMs: number;
  /** Of the lines of one piece, together. */
  readonly maxPieceBytes: number;
};

export type Streams = Disposable & {
  /** Undefined, with nothing begun, when the session has as many as it may. `abort` ends the exchange behind it. */
  begin(session: string, exchange: () => Promise<Exchange>, abort: () => void): Promise<Piece | undefined>;
  /** Undefined when there is no such stream of this session here. Rejects with what the exchange rejects with. */
  next(session: string, stream: string): Promise<Piece | undefined>;
  cancel(session: string, stream: string): boolean;
  /** Of a session that was revoked: nobody can ask for them any more. */
  endSession(session: string): void;
  readonly size: number;
};

type Stream = {
  readonly session: string;
  readonly iterator: AsyncIterator<ServerEvent>;
  exchange: Exchange | undefined;
  readonly abort: () => void;
  /** Asked for and not there yet. */
  pending: Promise<IteratorResult<ServerEvent>> | undefined;
  /** Came and did not fit. */
  held: string | undefined;
  forget: NodeJS.Timeout | undefined;
  isAsked: boolean;
};

/** What comes together within this time leaves together. */
const TOGETHER_MS = 2;
const ID_BYTES = 16;

/** A stream is aborted by whoever ends it, by disposing, and when nobody asked for it for `keepMs`. */
export function createStreams(ports: StreamsPorts): Streams {
  const streams = new Map<string, Stream>();

  const countOf = (session: string): number =>
    [...streams.values()].filter((stream) => stream.session === session).length;

  function drop(id: string, stream: Stream): void {
    clearTimeout(stream.forget);
    streams.delete(id);
    stream.abort();
    void Promise.resolve(stream.iterator.return?.()).catch(() => undefined);
  }

  async function read(id: string, stream: Stream, waitMs: number): Promise<Piece> {
    const lines: string[] = [];
    let bytes = 0;
    stream.isAsked = true;
    clearTimeout(stream.forget);
    try {
      if (stream.held !== undefined) {
        lines.push(stream.held);
        bytes = stream.held.length;
        stream.held = undefined;
      }
      while (lines.length < MAX_MODEL_CONTEXT_LINES) {
        stream.pending ??= stream.iterator.next();
        const came = await within(lines.length === 0 ? waitMs : TOGETHER_MS, stream.pending);
        if (came === undefined) break;
        stream.pending = undefined;
        if (came.done === true) {
          streams.delete(id);
          return pieceOf(stream, lines);
        }
        if (came.value.message === undefined) continue;
        const line = JSON.stringify(came.value.message);
        if (lines.length > 0 && bytes + line.length > ports.maxPieceBytes) {
          stream.held = line;
          break;
        }
        lines.push(line);
        bytes += line.length;
      }
    } catch (error) {
      streams.delete(id);
      // What came before is lost with it: its reader hears of the failure, which is what counts.
      throw error;
    } finally {
      stream.isAsked = false;
    }
    stream.forget = setTimeout(() => drop(id, stream), ports.keepMs);
    stream.forget.unref();
    return { ...pieceOf(stream, lines), stream: id };
  }

  return {
    get size() {
      return streams.size;
    },
    begin(session, exchange, abort) {
      if (countOf(session) >= ports.maxPerSession) return Promise.resolve(undefined);
      const id = toHex(randomBytes(ID_BYTES));
      const stream: Stream = {
        ...{ session, abort, isAsked: false },
        ...{ exchange: undefined, pending: undefined, held: undefined, forget: undefined },
        iterator: answers(exchange, (begun) => (stream.exchange = begun)),
      };
      streams.set(id, stream);
      return read(id, stream, ports.firstWaitMs);
    },
    next(session, id) {
      const stream = streams.get(id);
      // One reader at a time: two would each get a part.
      if (stream === undefined || stream.session !== session || stream.isAsked)
        return Promise.resolve(undefined);
      return read(id, stream, ports.waitMs);
    },
    cancel(session, id) {
      const stream = streams.get(id);
      if (stream === undefined || stream.session !== session) return false;
      drop(id, stream);
      return true;
    },
    endSession(session) {
      for (const [id, stream] of streams) if (stream.session === session) drop(id, stream);
    },
    [Symbol.dispose]() {
      for (const [id, stream] of streams) drop(id, stream);
    },
  };
}

function pieceOf({ exchange }: Stream, lines: readonly string[]): Piece {
  return exchange === undefined ? { lines } : { exchange, lines };
}

async function* answers(
  open: () => Promise<Exchange>,
  onBegun: (exchange: Exchange) => void,
): AsyncGenerator<ServerEvent> {
  const exchange = await open();
  onBegun(exchange);
  yield* exchange.messages;
}

/** Undefined when it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
