/**
 * The client's side of the Model Context Protocol over a session with the gateway: a transport for the official SDK in place of
 * its HTTP one. Each message is a request of the channel, signed, sealed and answered at most once (docs/protocol.md section 13).
 */
import {
  encodeModelContext,
  MODEL_CONTEXT_DESTINATION,
  MODEL_CONTEXT_TYPE,
  parseModelContextAnswer,
  type ModelContextAnswer,
  type ModelContextCall,
} from '@sallyport/channel';
import type { Channel } from '../channel.ts';
import { ChannelError } from '../errors.ts';
import {
  lostAnswer,
  methodOf,
  requestIdOf,
  requestSignalOf,
  revisionOf,
  type ModelContextTransport,
} from './transport.ts';

export type ClientTransportOptions = {
  /** How long the gateway is waited for each time; it answers within 20 s even when there is nothing. Default 30,000. */
  readonly timeoutMs?: number;
};

const DEFAULT_TIMEOUT_MS = 30_000;
const METHOD_NOT_ALLOWED = 405;
const FIRST_ERROR = 400;

/**
 * A transport to the server that the gateway knows as `route`; undefined = all that it has, as one. The channel stays the
 * caller's: closing the transport ends the server's session, not the channel's. `send` rejects with `ChannelError`, or `Error` when the gateway refused the message.
 */
export function clientTransport(
  channel: Pick<Channel, 'request' | 'closedBy'>,
  route?: string,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: ClientTransportOptions = {},
): ModelContextTransport {
  const destination =
    route === undefined ? MODEL_CONTEXT_DESTINATION.slice(0, -1) : `${MODEL_CONTEXT_DESTINATION}${route}`;
  const ended = new AbortController();
  let session: string | undefined;
  let revision: string | undefined;

  async function ask(head: ModelContextCall, message?: unknown): Promise<ModelContextAnswer> {
    const lines = message === undefined ? [] : [JSON.stringify(message)];
    const response = await channel.request(destination, encodeModelContext(head, lines), {
      contentType: MODEL_CONTEXT_TYPE,
      timeoutMs,
    });
    const answer = parseModelContextAnswer(response.body);
    if (answer === undefined || response.contentType !== MODEL_CONTEXT_TYPE)
      throw new Error(`${destination} did not answer with messages of the Model Context Protocol`);
    if (answer.head.session !== undefined) transport.sessionId = session = answer.head.session;
    for (const line of answer.lines) {
      const said: unknown = JSON.parse(new TextDecoder().decode(line));
      answeredIds.add(answerIdOf(said));
      transport.onmessage?.(said);
      // The libraries handle what they get in a later turn: a response in the same one would overtake its progress.
      if (answer.lines.length > 1) await turn();
    }
    if (answer.head.status >= FIRST_ERROR && answer.lines.length === 0) throw refused(answer.head.status);
    return answer.head;
  }

  /** Of this moment: those of the streams that are read. Bounded by what the caller has under way. */
  const answeredIds = new Set<string | number | undefined>();

  function refused(status: number): Error {
    return Object.assign(new Error(`${destination} answered with status ${status}`), { status });
  }

  /** Until the stream ends. What waited for an answer on it hears of a failure. */
  async function follow(
    stream: string,
    id: string | number | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    let next: string | undefined = stream;
    // Whoever reads the stream then hears that it is over.
    const cancel = (): void => void ask({ do: 'cancel', stream }).catch(() => undefined);
    if (isAborted(signal)) return cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      while (next !== undefined && !ended.signal.aborted)
        next = (await ask({ do: 'continue', stream: next })).stream;
    } catch (error) {
      if (ended.signal.aborted || isAborted(signal)) return;
      if (id !== undefined && !answeredIds.has(id))
        transport.onmessage?.(lostAnswer(id, (error as Error).message));
      else transport.onerror?.(error as Error);
      endWith(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      if (id !== undefined) answeredIds.delete(id);
    }
  }

  async function listen(): Promise<void> {
    if (session === undefined || revision === undefined) return;
    try {
      const { stream, status } = await ask({ do: 'listen', revision, session });
      if (stream !== undefined && status < FIRST_ERROR) await follow(stream, undefined);
    } catch (error) {
      const { status } = error as { status?: number };
      if (status !== METHOD_NOT_ALLOWED && !ended.signal.aborted) transport.onerror?.(error as Error);
      endWith(error);
    }
  }

  /** The channel's end is the transport's. */
  function endWith(error: unknown): void {
    if (error instanceof ChannelError && channel.closedBy !== undefined) over();
  }

  function over(): void {
    if (ended.signal.aborted) return;
    ended.abort();
    transport.onclose?.();
  }

  const transport: ModelContextTransport = {
    hasPerRequestStream: true,
    start: () => Promise.resolve(),
    setProtocolVersion(version) {
      revision = version;
    },
    async send(message, options) {
      if (ended.signal.aborted) throw new ChannelError('closed', 'closed', 'the transport is closed');
      const id = requestIdOf(message);
      const spoken = revisionOf(message) ?? revision;
      try {
        const { stream } = await ask(
          {
            do: 'send',
            ...(spoken === undefined ? {} : { revision: spoken }),
            ...(session === undefined ? {} : { session }),
          },
          message,
        );
        if (stream === undefined) answeredIds.delete(id);
        else void follow(stream, id, requestSignalOf(options));
      } catch (error) {
        endWith(error);
        throw error;
      }
      if (methodOf(message) === 'notifications/initialized') void listen();
    },
    async close() {
      if (ended.signal.aborted) return;
      over();
      if (session !== undefined && revision !== undefined && channel.closedBy === undefined)
        await ask({ do: 'end', revision, session }).catch(() => undefined); // it may be over there already
    },
  };
  return transport;
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function answerIdOf(message: unknown): string | number | undefined {
  const { id, method } = (message ?? {}) as { id?: unknown; method?: unknown };
  return method === undefined && (typeof id === 'string' || typeof id === 'number') ? id : undefined;
}
