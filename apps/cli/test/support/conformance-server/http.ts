/** The conformance server over Streamable HTTP, both eras at one address; loopback only. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
  toWebRequest,
} from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  type EventStore,
  type JSONRPCMessage,
  type McpServer,
} from '@modelcontextprotocol/server';
import { conformanceServer } from './server.ts';
import type { Changes } from './tools.ts';

export type ConformanceServer = AsyncDisposable & { readonly url: string };

/** What a server receives has both. */
type Received = IncomingMessage & { readonly method: string; readonly url: string };

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const RETRY_MS = 500;

/** `create`: one for each session, or each request where there are none. */
export async function startConformanceServer(
  port = 0,
  create: (changes?: Changes) => McpServer = conformanceServer,
): Promise<ConformanceServer> {
  const isHostAllowed = localhostHostValidation();
  const isOriginAllowed = localhostOriginValidation();
  const stateless = createMcpHandler(
    () =>
      create({
        toolsChanged: () => stateless.notify.toolsChanged(),
        promptsChanged: () => stateless.notify.promptsChanged(),
      }),
    { legacy: 'reject' },
  );
  const serveStateless = toNodeHandler(stateless);
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();

  async function handle(request: Received, response: ServerResponse): Promise<void> {
    if (!isHostAllowed(request, response) || !isOriginAllowed(request, response)) return;
    if (new URL(request.url, 'http://localhost').pathname !== '/mcp') {
      response.writeHead(404).end();
      return;
    }
    const body = request.method === 'POST' ? await readJson(request) : undefined;
    const isSessionEra = await isLegacyRequest(await toWebRequest(request, body ?? {}), body);
    if (!isSessionEra) return serveStateless(request, response, body);
    const id = request.headers['mcp-session-id'];
    const transport = typeof id === 'string' ? sessions.get(id) : undefined;
    if (transport !== undefined) return transport.handleRequest(request, response, body);
    if (id === undefined && isInitializeRequest(body)) return open(request, response, body);
    response.writeHead(id === undefined ? 400 : 404, { 'content-type': 'application/json' });
    const message = id === undefined ? 'No session id' : 'Session not found';
    response.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_000, message } }));
  }

  async function open(request: Received, response: ServerResponse, body: unknown): Promise<void> {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: memoryEvents(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await create().connect(transport);
    await transport.handleRequest(request, response, body);
  }

  const server = createServer((request, response) => {
    handle(request as Received, response).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      await stateless.close();
      await Promise.all([...sessions.values()].map((session) => session.close()));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Undefined when it is not JSON, which the handlers answer as the protocol says. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('body too large');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}

/** Every event of one session, for a client that comes back (`Last-Event-ID`). */
function memoryEvents(): EventStore {
  const events: { readonly streamId: string; readonly message: JSONRPCMessage }[] = [];
  return {
    storeEvent(streamId, message) {
      events.push({ streamId, message });
      return Promise.resolve(String(events.length - 1));
    },
    getStreamIdForEventId: (id) => Promise.resolve(events[Number(id)]?.streamId),
    async replayEventsAfter(lastEventId, { send }) {
      const last = Number(lastEventId);
      const streamId = events[last]?.streamId;
      if (streamId === undefined) throw new Error('no such event');
      for (const [index, event] of events.entries())
        // A priming event is stored without a message.
        if (index > last && event.streamId === streamId && 'jsonrpc' in event.message)
          await send(String(index), event.message);
      return streamId;
    },
  };
}
