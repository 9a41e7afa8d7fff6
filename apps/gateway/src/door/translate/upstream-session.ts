/**
 * One session at a server, opened for stateless callers: `initialize` done, its own stream watched, requests numbered.
 *
 * What the server says on its own stream belongs to no request. Changes go to whoever listens. A request of the server (a stdio
 * server has one stream only, so all of them come this way) goes to the call begun last that may be asked; a log message goes
 * to a call only when there is no other.
 */
import {
  errorResponse,
  isRequest,
  isResponse,
  METHOD_NOT_FOUND,
  objectMember,
  REVISIONS,
  resultResponse,
  stringMember,
  type JsonObject,
  type JsonValue,
  type Message,
  type Notification,
  type Request,
  type RequestId,
  type Revision,
} from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Exchange, type ModelContextServer } from '../ports.ts';
import { clientCapabilitiesForSession, INPUT_METHODS, isChange, missingCapability } from './capabilities.ts';
import { answer, leave, responseOf } from './exchanges.ts';
import type { TranslatePorts } from './ports.ts';
import { severityOf } from './results.ts';
import { pause } from './time.ts';

/** A call under way in the session, as its watcher sees it. */
export type CallUnderWay = {
  /** Whether the server may ask its client for input. */
  readonly mayAsk: boolean;
  /** A request of the server that came on the session's own stream. */
  ask(request: Request): void;
  tell(notification: Notification): void;
  /** The server takes a request of its own back. */
  withdraw(id: RequestId): void;
};

export type UpstreamSession = {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonValue | undefined;
  readonly instructions: string | undefined;
  readonly isClosed: boolean;
  /** Ids of requests in this session. */
  nextId(): number;
  /** For one message of `call`'s. Rejects with `UpstreamFailure`; `forgotten` closes the session. */
  send(call: Call, message: Message): Promise<Exchange | 'forgotten'>;
  /** Raises the session's verbosity where the level asks for it. */
  logAt(call: Call, level: JsonValue | undefined): Promise<void>;
  begin(call: CallUnderWay): Disposable;
  /** Until disposed: every change, and undefined when the session ends. */
  listen(onChange: (change: Notification | undefined) => void): Disposable;
  subscribe(call: Call, uri: string): Promise<boolean>;
  unsubscribe(call: Call, uri: string): Promise<void>;
  /** Nothing under way and nobody listening. */
  readonly isIdle: boolean;
  close(): Promise<void>;
};

const LATEST_SESSION_REVISION = '2025-11-25';
/** JSON-RPC's first code for implementations. */
const UNKNOWN_SESSION = -32000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 30_000;
const CLOSE_MS = 2_000;

/**
 * `initialize` and `initialized` by `first`, then the session's own stream, if it has one. Rejects with
 * `UpstreamFailure`: `malformed` when the server refuses.
 */
export async function openUpstreamSession(
  server: ModelContextServer,
  first: Call,
  client: { readonly capabilities: JsonObject; readonly info: JsonValue },
  ports: TranslatePorts,
): Promise<UpstreamSession> {
  const opening: Call = { ...withoutSession(first), revision: LATEST_SESSION_REVISION };
  const initialize: Request = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: {
      protocolVersion: LATEST_SESSION_REVISION,
      capabilities: clientCapabilitiesForSession(client.capabilities),
      clientInfo: client.info,
    },
  };
  const opened = await server.send({ ...opening, message: initialize });
  const response = await responseOf(opened);
  if (!('result' in response)) {
    throw new UpstreamFailure('malformed', `The server refused initialize with ${response.error.code}.`, {
      isWithoutEffect: true,
    });
  }
  const { result } = response;
  const revision = revisionOf(stringMember(result, 'protocolVersion'));
  const capabilities = objectMember(result, 'capabilities') ?? {};
  const ended = new AbortController();
  let latest: Call = first;
  let isClosed = false;
  let counter = 0;
  let level: number | undefined;
  const underWay = new Set<CallUnderWay>();
  const listeners = new Set<(change: Notification | undefined) => void>();
  const subscriptions = new Map<string, number>();

  const within = (call: Call): Call => {
    latest = call;
    return {
      ...withoutSession(call),
      revision,
      ...(opened.sessionId === undefined ? {} : { sessionId: opened.sessionId }),
    };
  };
  /** For what the session does by itself: as whoever used it last. */
  const byItself = (signal: AbortSignal): Call => ({ ...within(latest), signal });

  const forgotten = (): 'forgotten' => {
    end();
    return 'forgotten';
  };
  const end = (): void => {
    if (isClosed) return;
    isClosed = true;
    ended.abort();
    for (const listener of listeners) listener(undefined);
    listeners.clear();
  };

  const send = async (call: Call, message: Message): Promise<Exchange | 'forgotten'> => {
    const exchange = await server.send({ ...within(call), message });
    if (opened.sessionId === undefined) return exchange;
    if (exchange.status === 404) {
      // 2025-11-25 "Transports", "Session Management": the session ended and nothing was done.
      await leave(exchange);
      return forgotten();
    }
    if (exchange.status !== 400 || !isRequest(message)) return exchange;
    // Servers on the official library commonly answer 400 and this code for an id that they do not know.
    const response = await responseOf(exchange);
    return 'error' in response && response.error.code === UNKNOWN_SESSION ? forgotten() : answer(response);
  };
  const request = async (call: Call, method: string, params: JsonObject): Promise<boolean> => {
    const exchange = await send(call, { jsonrpc: '2.0', id: (counter += 1), method, params });
    return exchange !== 'forgotten' && 'result' in (await responseOf(exchange));
  };
  const reply = async (message: Message): Promise<void> => {
    const exchange = await send(byItself(ended.signal), message);
    if (exchange !== 'forgotten') await leave(exchange);
  };

  const hear = (message: Message): void => {
    if (isResponse(message)) return;
    if (!isRequest(message)) {
      if (isChange(message.method)) for (const listener of listeners) listener(message);
      else if (message.method === 'notifications/cancelled') withdraw(message);
      else if (underWay.size === 1) for (const call of underWay) call.tell(message);
      return;
    }
    const mayBeAsked =
      INPUT_METHODS.has(message.method) && missingCapability(message, client.capabilities) === undefined;
    const asked = mayBeAsked ? [...underWay].findLast((call) => call.mayAsk) : undefined;
    if (asked !== undefined) return asked.ask(message);
    const response =
      message.method === 'ping'
        ? resultResponse(message.id, {})
        : errorResponse(message.id, METHOD_NOT_FOUND, 'No call is under way whose client could be asked.');
    reply(response).catch(() => undefined);
  };
  const withdraw = (message: Notification): void => {
    const id = message.params?.['requestId'];
    if (typeof id === 'string' || typeof id === 'number') for (const call of underWay) call.withdraw(id);
  };

  /** The server's own stream, opened again whenever it ends, until the session does or there is none (405). */
  const watch = async (): Promise<void> => {
    let lastEventId: string | undefined;
    let retryMs = RETRY_FIRST_MS;
    while (!isClosed) {
      let asked: number | undefined;
      try {
        const call = byItself(ended.signal);
        const stream = await server.listen({
          ...call,
          ...(lastEventId === undefined ? {} : { lastEventId }),
        });
        if (stream.status === 405) return;
        if (stream.status === 404 && opened.sessionId !== undefined) return end();
        for await (const event of stream.messages) {
          lastEventId = event.id ?? lastEventId;
          asked = event.retryMs ?? asked;
          if (event.message === undefined) continue;
          retryMs = RETRY_FIRST_MS;
          hear(event.message);
        }
      } catch {
        // Broken off: asked for again below, later and later.
      }
      await pause(ports, Math.min(asked ?? retryMs, RETRY_MAX_MS), ended.signal);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  };

  const initialized = await server.send({
    ...within(first),
    message: { jsonrpc: '2.0', method: 'notifications/initialized' },
  });
  await leave(initialized);
  void watch();

  return {
    capabilities,
    serverInfo: objectMember(result, 'serverInfo'),
    instructions: stringMember(result, 'instructions'),
    get isClosed() {
      return isClosed;
    },
    get isIdle() {
      return underWay.size === 0 && listeners.size === 0;
    },
    nextId: () => (counter += 1),
    send,
    async logAt(call, wanted) {
      const severity = severityOf(wanted);
      if (severity === undefined || objectMember(capabilities, 'logging') === undefined) return;
      if (level !== undefined && level <= severity) return;
      level = severity;
      await request(call, 'logging/setLevel', { level: wanted as string });
    },
    begin(call) {
      underWay.add(call);
      return { [Symbol.dispose]: () => void underWay.delete(call) };
    },
    listen(onChange) {
      listeners.add(onChange);
      return { [Symbol.dispose]: () => void listeners.delete(onChange) };
    },
    async subscribe(call, uri) {
      const before = subscriptions.get(uri) ?? 0;
      subscriptions.set(uri, before + 1);
      if (before > 0 || (await request(call, 'resources/subscribe', { uri }))) return true;
      subscriptions.delete(uri);
      return false;
    },
    async unsubscribe(call, uri) {
      const left = (subscriptions.get(uri) ?? 0) - 1;
      if (left > 0) return void subscriptions.set(uri, left);
      if (!subscriptions.delete(uri) || isClosed) return;
      await request({ ...call, signal: ended.signal }, 'resources/unsubscribe', { uri });
    },
    async close() {
      if (isClosed) return;
      end();
      if (opened.sessionId === undefined) return;
      try {
        await leave(await server.end(byItself(AbortSignal.timeout(CLOSE_MS))));
      } catch {
        // The server ends it by its own clock.
      }
    },
  };
}

/** Servers of before 2025-03-26 (over stdio) are spoken to as that; what they lack they refuse. */
const revisionOf = (version: string | undefined): Revision =>
  REVISIONS.find((known) => known === version && known !== '2026-07-28') ?? '2025-03-26';

const withoutSession = ({ caller, revision, traceparent, signal }: Call): Call => ({
  caller,
  revision,
  signal,
  ...(traceparent === undefined ? {} : { traceparent }),
});
