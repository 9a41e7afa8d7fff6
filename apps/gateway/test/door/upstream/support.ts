/** What tests of upstreams share: callers, ports, and exchanges read to their end. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { META, type JsonObject, type Message, type Request, type Revision } from '@sallyport/model-context';
import { freezePrincipal } from '@sallyport/policy-engine';
import { systemClock } from '@sallyport/service/clock';
import { createLogger, memoryDestination, type MemoryDestination } from '@sallyport/service/log';
import { createMetrics, type Metrics } from '@sallyport/service/metrics';
import type { Caller, Exchange, MessageCall, ServerEvent } from '../../../src/door/ports.ts';
import { UpstreamFailure } from '../../../src/door/ports.ts';
import { upstreamMeters, type UpstreamPorts } from '../../../src/door/upstream/index.ts';

export const ROUTE = 'tested';

export function callerOf(id = 'user:alice', tenant = 'default'): Caller {
  return {
    principal: freezePrincipal({ id, tenant, method: 'oauth' }),
    sessionId: '00'.repeat(16),
    clientId: 'client',
    scopes: new Set(['context:read', 'context:call']),
    notAfterMs: Number.MAX_SAFE_INTEGER,
    peerAddress: '127.0.0.1',
  };
}

export type Stage = AsyncDisposable & {
  readonly ports: UpstreamPorts;
  readonly log: MemoryDestination;
  readonly metrics: Metrics;
};

export async function stage(): Promise<Stage> {
  const workFolder = await mkdtemp(join(tmpdir(), 'sallyport-upstream-'));
  const log = memoryDestination();
  const clock = systemClock();
  const metrics = createMetrics({ service: 'gateway' });
  return {
    ports: {
      route: ROUTE,
      monotonic: () => performance.now(),
      randomBytes: (length) => randomBytes(length),
      log: createLogger({ service: 'gateway', level: 'debug', destination: log, clock }),
      meter: upstreamMeters(metrics).of(ROUTE),
      path: process.env['PATH'] ?? '',
      workFolder,
    },
    log,
    metrics,
    async [Symbol.asyncDispose]() {
      await rm(workFolder, { recursive: true, force: true });
    },
  };
}

export const request = (method: string, params?: JsonObject, id: Request['id'] = 1): Request => ({
  ...{ jsonrpc: '2.0', id, method },
  ...(params === undefined ? {} : { params }),
});

/** What every request of 2026-07-28 says. */
export const stateless = (method: string, params: JsonObject = {}, id: Request['id'] = 1): Request =>
  request(
    method,
    { ...params, _meta: { [META.protocolVersion]: '2026-07-28', [META.clientCapabilities]: {} } },
    id,
  );

export const initialize = (id: Request['id'] = 0): Request =>
  request(
    'initialize',
    {
      protocolVersion: '2025-11-25',
      capabilities: { sampling: {}, elicitation: {} },
      clientInfo: { name: 'test', version: '1' },
    },
    id,
  );

export type CallOptions = Partial<Omit<MessageCall, 'message'>>;

export const callOf = (message: Message, options: CallOptions = {}): MessageCall => ({
  caller: callerOf(),
  revision: '2025-11-25' satisfies Revision,
  signal: new AbortController().signal,
  ...options,
  message,
});

export async function eventsOf(exchange: Exchange): Promise<readonly ServerEvent[]> {
  const events: ServerEvent[] = [];
  for await (const event of exchange.messages) events.push(event);
  return events;
}

export async function messagesOf(exchange: Exchange): Promise<readonly Message[]> {
  return (await eventsOf(exchange)).flatMap(({ message }) => (message === undefined ? [] : [message]));
}

/** The problem that it fails with, the answer included; what it gives instead shows in the comparison. */
export async function problemOf(exchange: Promise<Exchange>): Promise<unknown> {
  try {
    return await messagesOf(await exchange);
  } catch (error) {
    if (error instanceof UpstreamFailure) return error.problem;
    throw error;
  }
}

export type TestServer = AsyncDisposable & { readonly url: string; readonly server: Server };

export async function serverOf(listener: Parameters<typeof createServer>[1]): Promise<TestServer> {
  const server = createServer(listener as never);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `http://127.0.0.1:${port}/mcp`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
