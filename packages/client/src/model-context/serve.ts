/**
 * The server's side: a server of the Model Context Protocol that is reached through the gateway and listens nowhere. It attaches
 * to its route over a session of its own and gets a transport for each session of a caller (docs/protocol.md section 13).
 */
import {
  encodeModelContext,
  MODEL_CONTEXT_SERVING,
  MODEL_CONTEXT_TYPE,
  parseModelContextLine,
  parseModelContextServed,
  type ModelContextLine,
  type ModelContextServing,
} from '@sallyport/channel';
import type { Channel } from '../channel.ts';
import { ChannelError } from '../errors.ts';
import type { ModelContextTransport } from './transport.ts';

export type ServeOptions = {
  /** As of a client's transport. Default 30,000. */
  readonly timeoutMs?: number;
  /** Told what went wrong with one session, or with the attachment before it is made anew. Must not throw. */
  readonly onError?: (error: Error) => void;
};

export type Serving = AsyncDisposable & {
  /** Resolves when the serving is over, with why: undefined = by our own wish. */
  readonly ended: Promise<Error | undefined>;
};

const DEFAULT_TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
const NOT_ATTACHED = 404;

/**
 * Serves `route` until disposed or until the channel ends. `onSession` connects a server to the transport it gets, one for each
 * session of a caller: `serveRoute(channel, 'orders', (transport) => createServer().connect(transport))`. Rejects with
 * `ChannelError` when the gateway does not let this principal serve the route.
 */
export async function serveRoute(
  channel: Pick<Channel, 'request' | 'closedBy'>,
  route: string,
  onSession: (transport: ModelContextTransport) => void | Promise<void>,
  { timeoutMs = DEFAULT_TIMEOUT_MS, onError = () => undefined }: ServeOptions = {},
): Promise<Serving> {
  const destination = `${MODEL_CONTEXT_SERVING}${route}`;
  const stopped = new AbortController();
  const sessions = new Map<string, { deliver(message: unknown): void; end(): void }>();

  async function ask(head: ModelContextServing, lines: readonly ModelContextLine[] = []) {
    const body = encodeModelContext(
      head,
      lines.map((line) => JSON.stringify(line)),
    );
    const response = await channel.request(destination, body, { contentType: MODEL_CONTEXT_TYPE, timeoutMs });
    const answer = parseModelContextServed(response.body);
    if (answer === undefined) throw new Error(`${destination} did not answer as a gateway does`);
    return answer;
  }

  async function attach(): Promise<string> {
    const { head } = await ask({ do: 'attach' });
    if (head.attachment === undefined)
      throw new Error(`${destination} cannot be served: status ${head.status}`);
    return head.attachment;
  }

  function open(session: string): { deliver(message: unknown): void; end(): void } {
    const transport: ModelContextTransport = {
      sessionId: session,
      start: () => Promise.resolve(),
      send: async (message) => {
        const { head } = await ask({ do: 'deliver', attachment }, [{ session, message }]);
        if (head.status >= 400)
          throw new Error(`the gateway did not take the message: status ${head.status}`);
      },
      async close() {
        if (!sessions.delete(session)) return;
        transport.onclose?.();
        await ask({ do: 'deliver', attachment }, [{ session, isOver: true }]).catch(() => undefined);
      },
    };
    const ready = Promise.resolve(onSession(transport)).catch((error: unknown) => {
      onError(error as Error);
      void transport.close();
    });
    const made = {
      // In order, and not before the server listens.
      deliver: (message: unknown) => void ready.then(() => transport.onmessage?.(message)),
      end() {
        if (sessions.delete(session)) transport.onclose?.();
      },
    };
    sessions.set(session, made);
    return made;
  }

  function take(line: Uint8Array): void {
    const said = parseModelContextLine(line);
    if (said === undefined) return onError(new Error('the gateway sent a line that is none'));
    const known = sessions.get(said.session);
    if (said.isOver === true) known?.end();
    else (known ?? open(said.session)).deliver(said.message);
  }

  const isOver = (): boolean => stopped.signal.aborted || channel.closedBy !== undefined;

  async function run(): Promise<Error | undefined> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!isOver()) {
      try {
        const { head, lines } = await ask({ do: 'receive', attachment });
        if (head.status === NOT_ATTACHED) throw new Error(`the attachment to ${route} is gone`);
        for (const line of lines) take(line);
        pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        if (isOver()) break;
        onError(error as Error);
        for (const session of [...sessions.values()]) session.end();
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS);
        attachment = await attach().catch(() => attachment);
      }
    }
    for (const session of [...sessions.values()]) session.end();
    return stopped.signal.aborted
      ? undefined
      : (channel.closedBy ?? new ChannelError('closed', 'closed', 'over'));
  }

  let attachment = await attach();
  const ended = run();
  return {
    ended,
    async [Symbol.asyncDispose]() {
      if (stopped.signal.aborted) return;
      stopped.abort();
      await ask({ do: 'detach', attachment }).catch(() => undefined);
      await ended;
    },
  };
}
