import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { messageTo as message, testPorts } from '../../test/support/routes.ts';
import type { RemoteRoute } from './attempts.ts';
import type { HttpRouteConfig } from './config.ts';
import { httpRoute } from './http.ts';

type Handler = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function upstream(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handler(request, Buffer.concat(chunks), response));
  });
  const port = await listening(server);
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${port}/in`;
}

/** Speaks TCP: what it writes need not be HTTP. */
async function rawUpstream(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  const port = await listening(server);
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${port}/in`;
}

/** Of a port that nobody listens on. */
async function nowhere(): Promise<string> {
  const server = createTcpServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/in`;
}

function routeTo(url: string, config: Partial<HttpRouteConfig> = {}): RemoteRoute {
  const route = httpRoute(
    { kind: 'http', url, timeoutMs: 2_000, maxResponseBytes: 1024, ...config },
    testPorts(),
  );
  cleanups.push(async () => route[Symbol.asyncDispose]());
  return route;
}

describe('what is sent', () => {
  test('the body with its type, the idempotency key, who sent it and where it is recorded', async () => {
    const seen: { request: IncomingMessage; body: string }[] = [];
    const url = await upstream((request, body, response) => {
      seen.push({ request, body: body.toString() });
      response.setHeader('content-type', 'application/json').end('{"ok":true}');
    });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const result = await routeTo(url).send(message({ traceparent }));
    expect(result).toMatchObject({ kind: 'response', status: '200', contentType: 'application/json' });
    expect(result.kind === 'response' && Buffer.from(result.body).toString()).toBe('{"ok":true}');
    expect(seen).toHaveLength(1);
    expect(seen[0]?.body).toBe('{"n":1}');
    expect(seen[0]?.request.method).toBe('POST');
    expect(seen[0]?.request.headers).toMatchObject({
      'content-type': 'application/json',
      'idempotency-key': 'aa-bb',
      'sallyport-principal': 'user:alice',
      'sallyport-tenant': 'default',
      'sallyport-destination': 'orders',
      'sallyport-session': 'aa',
      'sallyport-correlation': 'bb',
      'sallyport-sequence': '7',
      'sallyport-message-digest': 'cc',
      'sallyport-policy-revision': '3',
      traceparent,
    });
  });

  test.each([
    [
      'a destination',
      { destination: 'a\r\nx-evil: 1 \u00e9' },
      'sallyport-destination',
      'a%0D%0Ax-evil%3A%201%20%C3%A9',
    ],
    [
      'a principal',
      { principal: 'user:a\r\nx-evil: 1' },
      'sallyport-principal',
      'user%3Aa%0D%0Ax-evil%3A%201',
    ],
    ['a lone surrogate', { destination: '\ud800' }, 'sallyport-destination', '%EF%BF%BD'],
    [
      'a content type',
      { contentType: 'text/plain\r\nx-evil: 1' },
      'content-type',
      'application/octet-stream',
    ],
    ['a trace', { traceparent: '00-\r\nx-evil: 1' }, 'traceparent', undefined],
  ])('%s cannot smuggle a header', async (_, part, name, value) => {
    const seen: IncomingMessage[] = [];
    const url = await upstream((request, _body, response) => {
      seen.push(request);
      response.end();
    });
    expect(await routeTo(url).send(message(part))).toMatchObject({ kind: 'response' });
    expect(seen[0]?.headers[name]).toBe(value);
    expect(seen[0]?.headers['x-evil']).toBeUndefined();
  });

  test('over connections that are kept, no more than allowed', async () => {
    const sockets = new Set<Socket>();
    let most = 0;
    let now = 0;
    const url = await upstream((request, _body, response) => {
      sockets.add(request.socket);
      most = Math.max(most, (now += 1));
      setTimeout(() => {
        now -= 1;
        response.end();
      }, 5);
    });
    const route = routeTo(url, { maxConnections: 4 });
    const results = await Promise.all(Array.from({ length: 40 }, () => route.send(message())));
    expect(results.every(({ kind }) => kind === 'response')).toBe(true);
    expect(sockets.size).toBeLessThanOrEqual(4);
    expect(most).toBeLessThanOrEqual(4);
  });

  test('not at all while there is no place: certainly without effect', async () => {
    let calls = 0;
    const url = await upstream(() => void (calls += 1));
    const route = routeTo(url, { maxConnections: 1, timeoutMs: 150 });
    const [first, second] = await Promise.all([route.send(message()), route.send(message())]);
    expect(first).toMatchObject({ reason: 'upstream_timeout', status: 'timeout', isWithoutEffect: false });
    expect(second).toMatchObject({ reason: 'upstream_timeout', status: 'waiting', isWithoutEffect: true });
    expect(calls).toBe(1);
  });
});

describe('a status', () => {
  test.each([
    { status: 400, isWithoutEffect: true, isIdempotent: false, calls: 1 },
    { status: 404, isWithoutEffect: true, isIdempotent: true, calls: 1 },
    { status: 422, isWithoutEffect: true, isIdempotent: true, calls: 1 },
    // None of these says for sure that nothing was done.
    { status: 408, isWithoutEffect: false, isIdempotent: true, calls: 1 },
    { status: 409, isWithoutEffect: false, isIdempotent: false, calls: 1 },
    { status: 425, isWithoutEffect: false, isIdempotent: false, calls: 1 },
    { status: 429, isWithoutEffect: false, isIdempotent: true, calls: 1 },
    { status: 499, isWithoutEffect: false, isIdempotent: false, calls: 1 },
    { status: 302, isWithoutEffect: false, isIdempotent: true, calls: 1 },
    { status: 500, isWithoutEffect: false, isIdempotent: true, calls: 1 },
    { status: 503, isWithoutEffect: false, isIdempotent: false, calls: 1 },
    { status: 503, isWithoutEffect: false, isIdempotent: true, calls: 3 },
    // The first of its kind is still being worked on.
    { status: 409, isWithoutEffect: false, isIdempotent: true, calls: 3 },
  ])('$status, idempotent: $isIdempotent', async ({ status, isWithoutEffect, isIdempotent, calls }) => {
    let seen = 0;
    const url = await upstream((_request, _body, response) => {
      seen += 1;
      response.writeHead(status, { location: '/elsewhere' }).end('inside');
    });
    const result = await routeTo(url, { isIdempotent }).send(message());
    const expected = { kind: 'failure', reason: 'upstream_failed', status: String(status), isWithoutEffect };
    expect(result).toMatchObject(expected);
    expect(JSON.stringify(result)).not.toContain('inside');
    expect(seen).toBe(calls);
  });
});

/**
 * What a bad upstream does with a request it has counted, and what comes of it. `times`: how often a route that is
 * idempotent asks; one that is not never asks twice.
 */
type Misbehaviour = {
  readonly name: string;
  readonly start: (count: () => void) => Promise<string>;
  readonly result: Readonly<Record<string, unknown>>;
  readonly times: number;
  readonly config?: Partial<HttpRouteConfig>;
};

/** Counts a request when its body has come: what could have been carried out. */
const onRequest =
  (count: () => void, then: (socket: Socket) => void): ((socket: Socket) => void) =>
  (socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      while (text.includes('{"n":1}')) {
        text = text.slice(text.indexOf('{"n":1}') + 7);
        count();
        then(socket);
      }
    });
  };

const broken = { kind: 'failure', reason: 'upstream_failed', status: 'broken', isWithoutEffect: false };
const timeout = { kind: 'failure', reason: 'upstream_timeout', status: 'timeout', isWithoutEffect: false };
const MISBEHAVIOURS: readonly Misbehaviour[] = [
  {
    name: 'refuses connections',
    start: () => nowhere(),
    result: { kind: 'failure', reason: 'upstream_failed', status: 'connect', isWithoutEffect: true },
    times: 0,
  },
  {
    name: 'hangs',
    start: (count) => rawUpstream(onRequest(count, () => undefined)),
    result: timeout,
    times: 1,
    config: { timeoutMs: 200 },
  },
  {
    name: 'hangs within its headers, for which there is a time of their own',
    start: (count) => rawUpstream(onRequest(count, (socket) => socket.write('HTTP/1.1 200 OK\r\n'))),
    result: timeout,
    times: 3,
    config: { headersTimeoutMs: 200, timeoutMs: 5_000 },
  },
  {
    name: 'hangs within its body, for which there is a time of its own',
    start: (count) =>
      rawUpstream(onRequest(count, (s) => s.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'))),
    result: timeout,
    times: 3,
    config: { bodyTimeoutMs: 200, timeoutMs: 5_000 },
  },
  {
    name: 'drips',
    start: (count) =>
      rawUpstream(
        onRequest(count, (socket) => {
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n');
          const drip = setInterval(() => socket.write('.'), 20);
          socket.on('close', () => clearInterval(drip));
        }),
      ),
    result: timeout,
    times: 1,
    config: { timeoutMs: 300, bodyTimeoutMs: 100 },
  },
  {
    name: 'resets before its answer',
    start: (count) => rawUpstream(onRequest(count, (socket) => socket.resetAndDestroy())),
    result: broken,
    times: 3,
  },
  {
    name: 'resets within its body',
    start: (count) =>
      rawUpstream(
        onRequest(count, (socket) =>
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', () => socket.resetAndDestroy()),
        ),
      ),
    result: broken,
    times: 3,
  },
  {
    name: 'closes within its body',
    start: (count) =>
      rawUpstream(onRequest(count, (s) => s.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'))),
    result: broken,
    times: 3,
  },
  {
    name: 'speaks something else',
    start: (count) => rawUpstream(onRequest(count, (socket) => socket.write('SSH-2.0-OpenSSH_9\r\n'))),
    result: broken,
    times: 3,
  },
  {
    name: 'floods its body',
    start: (count) =>
      upstream((_request, _body, response) => {
        count();
        response.end(Buffer.alloc(1024 * 1024));
      }),
    result: { kind: 'failure', reason: 'too_large', isWithoutEffect: false },
    times: 1,
  },
  {
    name: 'floods its headers',
    start: (count) =>
      rawUpstream(
        onRequest(count, (s) => s.write(`HTTP/1.1 200 OK\r\n${'x-flood: 1234567890\r\n'.repeat(4_000)}\r\n`)),
      ),
    result: { kind: 'failure', reason: 'too_large', isWithoutEffect: false },
    times: 1,
  },
  {
    name: 'redirects',
    start: async (count) => {
      const other = await upstream((_request, _body, response) => {
        count();
        count();
        response.end('elsewhere');
      });
      return upstream((_request, _body, response) => {
        count();
        response.writeHead(307, { location: other }).end();
      });
    },
    result: { kind: 'failure', reason: 'upstream_failed', status: '307', isWithoutEffect: false },
    times: 1,
  },
  {
    name: 'fails with 500',
    start: (count) =>
      upstream((_request, _body, response) => {
        count();
        response.writeHead(500).end();
      }),
    result: { kind: 'failure', reason: 'upstream_failed', status: '500', isWithoutEffect: false },
    times: 1,
  },
];

describe.each(MISBEHAVIOURS)('an upstream that $name', ({ start, result, times, config = {} }) => {
  test.each([
    { isIdempotent: false, most: Math.min(times, 1) },
    { isIdempotent: true, most: times },
  ])('idempotent: $isIdempotent, asked $most times', async ({ isIdempotent, most }) => {
    let executed = 0;
    const url = await start(() => void (executed += 1));
    expect(await routeTo(url, { isIdempotent, ...config }).send(message())).toMatchObject(result);
    expect(executed).toBe(most);
  });
});

describe('an upstream that keeps a connection and then closes it as the next message comes', () => {
  /** Answers the first request of each connection and drops the connection at the second, having carried it out. */
  const start = (executed: string[]): Promise<string> =>
    rawUpstream((socket) => {
      let requests = 0;
      onRequest(
        () => void executed.push('n'),
        () => {
          requests += 1;
          if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
          else socket.destroy();
        },
      )(socket);
    });

  test('not idempotent: unknown, and carried out once', async () => {
    const executed: string[] = [];
    const route = routeTo(await start(executed), { maxConnections: 1 });
    expect(await route.send(message())).toMatchObject({ kind: 'response' });
    expect(await route.send(message())).toMatchObject(broken);
    expect(executed).toHaveLength(2);
  });

  test('idempotent: asked again on a new one', async () => {
    const executed: string[] = [];
    const route = routeTo(await start(executed), { maxConnections: 1, isIdempotent: true });
    expect(await route.send(message())).toMatchObject({ kind: 'response' });
    expect(await route.send(message())).toMatchObject({ kind: 'response' });
    expect(executed).toHaveLength(3);
  });

  test('closed while nothing is under way: a new one, nothing lost, nothing twice', async () => {
    let executed = 0;
    const url = await upstream((_request, _body, response) => {
      executed += 1;
      response.setHeader('connection', 'close').end('ok');
    });
    const route = routeTo(url, { maxConnections: 2 });
    for (let i = 0; i < 20; i += 1) expect(await route.send(message())).toMatchObject({ kind: 'response' });
    expect(executed).toBe(20);
  });
});

test('an attempt that may have taken effect is not forgotten over one that did not', async () => {
  const state = { calls: 0 };
  const url = await upstream((request, _body, response) => {
    state.calls += 1;
    if (state.calls === 1) request.socket.destroy();
    else response.writeHead(404).end();
  });
  const result = await routeTo(url, { isIdempotent: true }).send(message());
  expect(result).toMatchObject({ status: '404', isWithoutEffect: false });
  expect(state.calls).toBe(2);
});

test('a connection that is refused is tried again, and the message carried out once', async () => {
  const url = await nowhere();
  const route = routeTo(url, { maxAttempts: 10, timeoutMs: 5_000 });
  const sent = route.send(message());
  let executed = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      executed += 1;
      response.end('late');
    });
  });
  setTimeout(() => server.listen(Number(new URL(url).port), '127.0.0.1'), 60);
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  expect(await sent).toMatchObject({ kind: 'response', status: '200' });
  expect(executed).toBe(1);
});

test('a gateway that gives up stops waiting and does not try again', async () => {
  let calls = 0;
  const url = await upstream(() => void (calls += 1));
  const giveUp = new AbortController();
  const sent = routeTo(url, { isIdempotent: true }).send(message({ signal: giveUp.signal }));
  await expect.poll(() => calls).toBe(1);
  giveUp.abort();
  expect(await sent).toMatchObject({ status: 'given_up', isWithoutEffect: false });
  expect(calls).toBe(1);
});

test('a destination that goes on failing is left alone, and found again', async () => {
  let isDown = true;
  let calls = 0;
  const url = await upstream((_request, _body, response) => {
    calls += 1;
    response.writeHead(isDown ? 500 : 200).end();
  });
  const breaker = { minCalls: 4, failureRatio: 0.5, windowMs: 10_000, openMs: 200 };
  const route = routeTo(url, { breaker });
  for (let i = 0; i < 4; i += 1) await route.send(message());
  expect(route.state()).toBe('open');
  expect(await route.send(message())).toMatchObject({ status: 'circuit_open', isWithoutEffect: true });
  expect(calls).toBe(4);
  isDown = false;
  await expect.poll(() => route.state()).toBe('half_open');
  expect(await route.send(message())).toMatchObject({ kind: 'response' });
  expect(route.state()).toBe('closed');
});

test('a URL that is not HTTP is refused at once', () => {
  expect(() => routeTo('file:///etc/passwd')).toThrow(TypeError);
});
