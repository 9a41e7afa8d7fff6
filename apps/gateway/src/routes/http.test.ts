import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { RouteRequest } from '../app/ports.ts';
import { httpRoute, type HttpRoute } from './http.ts';

type Handler = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function upstream(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handler(request, Buffer.concat(chunks), response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
}

function routeTo(url: string, limits: { timeoutMs?: number; maxResponseBytes?: number } = {}): HttpRoute {
  const route = httpRoute({ kind: 'http', url, timeoutMs: 2_000, maxResponseBytes: 1024, ...limits });
  cleanups.push(async () => route[Symbol.asyncDispose]());
  return route;
}

const message = (overrides: Partial<RouteRequest> = {}): RouteRequest => ({
  destination: 'orders',
  idempotencyKey: 'aa-bb',
  principal: 'user:alice',
  tenant: 'default',
  evidence: { sessionId: 'aa', correlation: 'bb', sequence: 7, policyRevision: '3' },
  contentType: 'application/json',
  body: new TextEncoder().encode('{"n":1}'),
  traceparent: undefined,
  signal: new AbortController().signal,
  ...overrides,
});

describe('http route', () => {
  test('posts the body with its type, the idempotency key and who sent it', async () => {
    const seen: { request: IncomingMessage; body: string }[] = [];
    const url = await upstream((request, body, response) => {
      seen.push({ request, body: body.toString() });
      response.setHeader('content-type', 'application/json').end('{"ok":true}');
    });
    const result = await routeTo(url).send(message());
    expect(result).toMatchObject({ kind: 'response', status: '200', contentType: 'application/json' });
    expect(result.kind === 'response' && Buffer.from(result.body).toString()).toBe('{"ok":true}');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.body).toBe('{"n":1}');
    expect(seen[0]?.request.method).toBe('POST');
    expect(seen[0]?.request.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': 'aa-bb',
      'sallyport-principal': 'user:alice',
      'sallyport-destination': 'orders',
    });
  });

  test('a destination name cannot smuggle a header', async () => {
    const url = await upstream((request, _body, response) => {
      response.end(String(request.headers['sallyport-destination']));
    });
    const result = await routeTo(url).send(message({ destination: 'a\r\nx-evil: 1 é' }));
    expect(result.kind === 'response' && Buffer.from(result.body).toString()).toBe(
      'a%0D%0Ax-evil%3A%201%20%C3%A9',
    );
  });

  test.each([
    { status: 400, isWithoutEffect: true },
    { status: 409, isWithoutEffect: true },
    { status: 500, isWithoutEffect: false },
    { status: 503, isWithoutEffect: false },
    { status: 302, isWithoutEffect: false },
  ])('status $status is a failure with that status', async ({ status, isWithoutEffect }) => {
    let calls = 0;
    const url = await upstream((_request, _body, response) => {
      calls += 1;
      response.writeHead(status, { location: '/elsewhere' }).end('inside');
    });
    const result = await routeTo(url).send(message());
    expect(result).toMatchObject({
      kind: 'failure',
      reason: 'upstream_failed',
      status: String(status),
      isWithoutEffect,
    });
    expect(JSON.stringify(result)).not.toContain('inside');
    expect(calls).toBe(1);
  });

  test('an upstream that never answers is a time-out', async () => {
    const url = await upstream(() => undefined);
    const result = await routeTo(url, { timeoutMs: 150 }).send(message());
    expect(result).toMatchObject({ kind: 'failure', reason: 'upstream_timeout', isWithoutEffect: false });
  });

  test('an upstream that floods is cut at the limit', async () => {
    const url = await upstream((_request, _body, response) => {
      response.end(Buffer.alloc(4096));
    });
    const result = await routeTo(url).send(message());
    expect(result).toMatchObject({ kind: 'failure', reason: 'too_large' });
  });

  test('an upstream that breaks the connection is a failure, not an exception', async () => {
    const url = await upstream((request) => request.socket.destroy());
    const result = await routeTo(url).send(message());
    expect(result).toMatchObject({
      kind: 'failure',
      reason: 'upstream_failed',
      status: 'broken',
      isWithoutEffect: false,
    });
  });

  test('an upstream that is not there was not reached: nothing took effect', async () => {
    const url = await upstream((_request, _body, response) => void response.end());
    await cleanups.pop()?.();
    const result = await routeTo(url).send(message());
    expect(result).toMatchObject({
      kind: 'failure',
      reason: 'upstream_failed',
      status: 'connect',
      isWithoutEffect: true,
    });
  });

  test('a URL that is not HTTP is refused at once', () => {
    expect(() =>
      httpRoute({ kind: 'http', url: 'file:///etc/passwd', timeoutMs: 1, maxResponseBytes: 1 }),
    ).toThrow(TypeError);
  });
});
