/* oxlint-disable typescript/no-deprecated -- the low-level servers: every method and every notification as the test wants it */
/**
 * Stock servers and clients of the official libraries, in process: servers as the layers of the door see them, and a face just
 * good enough to let a client's own Streamable HTTP transport speak to a layer through `fetch`.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as SessionTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Server as SessionServer } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import {
  Client as StatelessClient,
  StreamableHTTPClientTransport as StatelessTransport,
} from '@modelcontextprotocol/client';
import {
  checkHeaders,
  eraOf,
  errorResponse,
  eventParser,
  formatEvent,
  isRequest,
  mirrorHeaders,
  parseMessage,
  RETRY_LATER,
  revisionOf,
  type Message,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Caller,
  type Exchange,
  type ModelContextServer,
  type ServerEvent,
} from '../../../src/door/ports.ts';
import type { TranslatePorts } from '../../../src/door/translate/ports.ts';

export const translatePorts = (limits: TranslatePorts['limits'] = {}): TranslatePorts => ({
  now: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  randomBytes: (length) => randomBytes(length),
  implementation: { name: 'sallyport', version: '0.0.0' },
  limits,
});

export const callerOf = (id: string): Caller => ({
  principal: Object.freeze({ id, tenant: 'default', method: 'oauth' }),
  sessionId: '00'.repeat(16),
  clientId: 'client',
  scopes: new Set(['context:read', 'context:call']),
  notAfterMs: Number.MAX_SAFE_INTEGER,
  peerAddress: '127.0.0.1',
});

type Fetch = (request: Request) => Promise<Response>;
const ENDPOINT = 'http://server.test/mcp';

/** A server behind `fetch` as the layers see it. */
export function overFetch(handle: Fetch): ModelContextServer {
  const ask = async (call: Call, init: RequestInit, headers: Record<string, string>): Promise<Exchange> => {
    const response = await handle(
      new Request(ENDPOINT, {
        ...init,
        signal: call.signal,
        headers: {
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': call.revision,
          ...(call.sessionId === undefined ? {} : { 'mcp-session-id': call.sessionId }),
          ...headers,
        },
      }),
    );
    const sessionId = response.headers.get('mcp-session-id') ?? undefined;
    const type = response.headers.get('content-type') ?? '';
    const kind = type.includes('event-stream') ? 'events' : type.includes('json') ? 'json' : 'none';
    return {
      status: response.status,
      kind,
      messages: kind === 'events' ? events(response, call.signal) : single(response, kind),
      ...(sessionId === undefined ? {} : { sessionId }),
    };
  };
  return {
    send: async (call) => {
      const mirrored = Object.fromEntries(
        Object.entries(mirrorHeaders(call.message)).map(([name, value]) => [name.toLowerCase(), value]),
      );
      const isInitialize = isRequest(call.message) && call.message.method === 'initialize';
      return ask(
        call,
        { method: 'POST', body: JSON.stringify(call.message) },
        {
          'content-type': 'application/json',
          ...(eraOf(call.revision) === 'stateless' && !isInitialize ? mirrored : {}),
        },
      );
    },
    listen: async (call) =>
      ask(
        call,
        { method: 'GET' },
        call.lastEventId === undefined ? {} : { 'last-event-id': call.lastEventId },
      ),
    end: async (call) => ask(call, { method: 'DELETE' }, {}),
  };
}

async function* single(response: Response, kind: string): AsyncGenerator<ServerEvent> {
  const text = await response.text();
  if (kind !== 'json' || text === '') return;
  const parsed = parseMessage(text);
  if (parsed.ok) yield { message: parsed.message };
}

async function* events(response: Response, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const found: ServerEvent[] = [];
  const parser = eventParser(({ data, id, retryMs }) => {
    const parsed = data === '' ? undefined : parseMessage(data);
    if (parsed?.ok === false) throw new UpstreamFailure('malformed', parsed.detail);
    found.push({
      ...(parsed?.ok === true ? { message: parsed.message } : {}),
      ...(id === undefined ? {} : { id }),
      ...(retryMs === undefined ? {} : { retryMs }),
    });
  });
  const reader = response.body?.getReader();
  const stop = (): void => void reader?.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const chunk = await reader?.read();
      if (signal.aborted) throw new UpstreamFailure('cancelled', 'aborted');
      if (chunk === undefined || chunk.done) return;
      parser.push(chunk.value as Uint8Array);
      yield* found.splice(0);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** A layer as a client's `fetch` sees it. Everything that crosses is kept in `seen`, for tests of the wire. */
export function asFetch(server: ModelContextServer, caller: Caller, seen: Message[] = []): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const left = new AbortController();
    const leave = (): void => left.abort();
    init?.signal?.addEventListener('abort', leave, { once: true });
    const sessionId = request.headers.get('mcp-session-id') ?? undefined;
    const call = { caller, signal: left.signal, ...(sessionId === undefined ? {} : { sessionId }) };
    const headers = Object.fromEntries(request.headers);
    let id: string | number | undefined;
    try {
      if (request.method !== 'POST') {
        const version = revisionOf(headers, { jsonrpc: '2.0', method: 'none' });
        if (!version.ok)
          return Response.json(errorResponse(undefined, version.problem.code, version.problem.message), {
            status: 400,
          });
        const lastEventId = request.headers.get('last-event-id') ?? undefined;
        const own: Call = { ...call, revision: version.revision };
        const exchange = await (request.method === 'GET'
          ? server.listen({ ...own, ...(lastEventId === undefined ? {} : { lastEventId }) })
          : server.end(own));
        return await responseOf(exchange, left, seen);
      }
      const parsed = parseMessage(await request.text());
      if (!parsed.ok)
        return Response.json(errorResponse(parsed.id, parsed.code, parsed.detail), { status: 400 });
      seen.push(parsed.message);
      if (isRequest(parsed.message)) id = parsed.message.id;
      const version = revisionOf(headers, parsed.message);
      const problem = version.ok
        ? eraOf(version.revision) === 'stateless'
          ? checkHeaders(headers, parsed.message)
          : undefined
        : version.problem;
      if (problem !== undefined || !version.ok) {
        return Response.json(errorResponse(id, problem?.code ?? 0, problem?.message ?? '', problem?.data), {
          status: 400,
        });
      }
      const exchange = await server.send({ ...call, revision: version.revision, message: parsed.message });
      return await responseOf(exchange, left, seen);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      return Response.json(errorResponse(id, RETRY_LATER, error.message));
    }
  };
}

async function responseOf(exchange: Exchange, left: AbortController, seen: Message[]): Promise<Response> {
  const headers = exchange.sessionId === undefined ? {} : { 'mcp-session-id': exchange.sessionId };
  const iterator = exchange.messages[Symbol.asyncIterator]();
  if (exchange.kind !== 'events') {
    const first = await iterator.next();
    const message = first.done === true ? undefined : first.value.message;
    if (message === undefined) return new Response(null, { status: exchange.status, headers });
    seen.push(message);
    return Response.json(message, { status: exchange.status, headers });
  }
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (next.done === true) return controller.close();
        if (next.value.message !== undefined) seen.push(next.value.message);
        controller.enqueue(encoder.encode(formatEvent(next.value)));
      } catch (error) {
        controller.error(error);
      }
    },
    cancel: () => left.abort(),
  });
  return new Response(body, {
    status: exchange.status,
    headers: { ...headers, 'content-type': 'text/event-stream' },
  });
}

/** A stock session server (library v1): sessions in a table, as its examples have them. */
export function sessionServer(
  build: () => SessionServer,
  options: { readonly enableJsonResponse?: boolean } = {},
): {
  readonly server: ModelContextServer;
  readonly servers: SessionServer[];
  readonly transports: Map<string, WebStandardStreamableHTTPServerTransport>;
  readonly opened: () => number;
} {
  const transports = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const servers: SessionServer[] = [];
  const handle: Fetch = async (request) => {
    const id = request.headers.get('mcp-session-id');
    if (id !== null) {
      const known = transports.get(id);
      if (known === undefined)
        return Response.json(errorResponse(null, -32001, 'Session not found'), { status: 404 });
      return known.handleRequest(request);
    }
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (opened) => void transports.set(opened, transport),
      onsessionclosed: (closed) => void transports.delete(closed),
      ...options,
    });
    const server = build();
    servers.push(server);
    await server.connect(transport);
    return transport.handleRequest(request);
  };
  return { server: overFetch(handle), servers, transports, opened: () => servers.length };
}

export type StockOptions = {
  readonly capabilities?: object;
  readonly seen?: Message[];
  readonly caller?: Caller;
};

/** Library v1: 2025-11-25 and before. */
export async function sessionClient(
  server: ModelContextServer,
  { capabilities = {}, seen = [], caller = callerOf('user:alice') }: StockOptions = {},
): Promise<SessionClient> {
  const client = new SessionClient({ name: 'stock-v1', version: '1' }, { capabilities });
  const transport = new SessionTransport(new URL('http://door.test/mcp/a'), {
    fetch: asFetch(server, caller, seen),
  });
  await client.connect(transport);
  return client;
}

/** Library v2 held to 2026-07-28. */
export async function statelessClient(
  server: ModelContextServer,
  { capabilities = {}, seen = [], caller = callerOf('user:alice') }: StockOptions = {},
  prepare: (client: StatelessClient) => void = () => undefined,
): Promise<StatelessClient> {
  const client = new StatelessClient(
    { name: 'stock-v2', version: '2' },
    { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  prepare(client);
  await client.connect(
    new StatelessTransport(new URL('http://door.test/mcp/a'), { fetch: asFetch(server, caller, seen) }),
  );
  return client;
}

/** Waits for what another task brings about; fails by itself after two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 2_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('It did not come about in two seconds.');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
