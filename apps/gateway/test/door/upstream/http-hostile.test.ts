/** Servers behind HTTP that lie, hang, flood or break off: what the caller is told, and that it ends. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { HttpUpstreamConfig } from '../../../src/door/upstream/index.ts';
import { openUpstream } from '../../../src/door/upstream/index.ts';
import { callOf, problemOf, request, serverOf, stage, stateless } from './support.ts';

const MIB = 1024 * 1024;
const ok = { jsonrpc: '2.0', id: 1, result: {} };
const event = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;

type Row = {
  readonly name: string;
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  readonly problem: string;
  readonly config?: Partial<HttpUpstreamConfig>;
  readonly era?: 'stateless';
};

const json = (response: ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};
const events = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
};

/** Writes until nobody takes it any more. */
function flood(response: ServerResponse, piece: string, total: number): void {
  let left = total;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= piece.length;
      if (!response.write(piece)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}

const rows: readonly Row[] = [
  {
    name: 'hangs before its headers',
    serve: () => undefined,
    config: { headersTimeoutMs: 200 },
    problem: 'timeout',
  },
  {
    name: 'sends interim answers and never one',
    serve(_, response) {
      const timer = setInterval(() => response.writeEarlyHints({ link: '</a>; rel=preload' }), 20);
      response.on('close', () => clearInterval(timer));
    },
    config: { headersTimeoutMs: 200, connectTimeoutMs: 200 },
    problem: 'timeout',
  },
  {
    name: 'hangs after its headers, in JSON',
    serve: (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
    },
    config: { idleTimeoutMs: 200 },
    problem: 'timeout',
  },
  {
    name: 'hangs in a stream of events',
    serve: (_, response) => events(response),
    config: { idleTimeoutMs: 200 },
    problem: 'timeout',
  },
  {
    name: 'lets a body drip, byte by byte',
    serve(_, response) {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    },
    config: { idleTimeoutMs: 250 },
    problem: 'timeout',
  },
  {
    name: 'lets an event drip, byte by byte',
    serve(_, response) {
      events(response);
      const timer = setInterval(() => response.write('data: '), 20);
      response.on('close', () => clearInterval(timer));
    },
    config: { idleTimeoutMs: 250 },
    problem: 'timeout',
  },
  {
    name: 'keeps a stream alive and never answers, longer than is configured in all',
    serve(_, response) {
      events(response);
      const timer = setInterval(
        () => response.write(event({ jsonrpc: '2.0', method: 'notifications/x' })),
        20,
      );
      response.on('close', () => clearInterval(timer));
    },
    config: { totalTimeoutMs: 300 },
    problem: 'timeout',
  },
  {
    name: 'sends a message of more than 4 MiB',
    serve: (_, response) => json(response, { ...ok, result: { text: 'x'.repeat(4 * MIB) } }),
    problem: 'too_large',
  },
  {
    name: 'sends one event of more than 4 MiB',
    serve(_, response) {
      events(response);
      response.end(event({ ...ok, result: { text: 'x'.repeat(5 * MIB) } }));
    },
    problem: 'too_large',
  },
  {
    name: 'sends a line of an event without an end',
    serve(_, response) {
      events(response);
      flood(response, 'x'.repeat(MIB), 1024 * MIB);
    },
    problem: 'too_large',
  },
  {
    name: 'floods with events, each small',
    serve(_, response) {
      events(response);
      const note = event({
        jsonrpc: '2.0',
        method: 'notifications/message',
        params: { data: 'x'.repeat(1e5) },
      });
      flood(response, note.repeat(4), 1024 * MIB);
    },
    config: { maxExchangeBytes: 8 * MIB },
    problem: 'too_large',
  },
  {
    name: 'floods with comments',
    serve(_, response) {
      events(response);
      flood(response, ': nothing\n'.repeat(10_000), 1024 * MIB);
    },
    config: { maxExchangeBytes: 8 * MIB },
    problem: 'too_large',
  },
  {
    name: 'sends headers of a megabyte',
    serve: ({ socket }) =>
      void socket.end(`HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(MIB)}\r\nContent-Length: 0\r\n\r\n`),
    problem: 'too_large',
  },
  {
    name: 'sends what is not JSON',
    serve: (_, response) => json(response, '{"jsonrpc":'),
    problem: 'malformed',
  },
  {
    name: 'sends JSON that is no message',
    serve: (_, response) => json(response, '[]'),
    problem: 'malformed',
  },
  {
    name: 'sends a member twice',
    serve: (_, response) => json(response, '{"jsonrpc":"2.0","id":1,"id":1,"result":{}}'),
    problem: 'malformed',
  },
  {
    name: 'sends events that are not JSON',
    serve(_, response) {
      events(response);
      response.end('data: {"jsonrpc"\n\n');
    },
    problem: 'malformed',
  },
  {
    name: 'sends events that are not UTF-8',
    serve(_, response) {
      events(response);
      response.end(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xfe, 0x0a, 0x0a]));
    },
    problem: 'malformed',
  },
  {
    name: 'answers an id that was never asked, in JSON',
    serve: (_, response) => json(response, { ...ok, id: 2 }),
    problem: 'malformed',
  },
  {
    name: 'answers an id that was never asked, in events',
    serve(_, response) {
      events(response);
      response.write(event({ ...ok, id: '1' }));
    },
    problem: 'malformed',
  },
  {
    name: 'sends a request where the revision has none',
    serve(_, response) {
      events(response);
      response.write(event({ jsonrpc: '2.0', id: 1, method: 'sampling/createMessage', params: {} }));
    },
    era: 'stateless',
    problem: 'malformed',
  },
  {
    name: 'answers in HTML',
    serve(_, response) {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<h1>Hello</h1>');
    },
    problem: 'malformed',
  },
  {
    name: 'answers compressed, which was not asked for',
    serve(_, response) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end('x');
    },
    problem: 'malformed',
  },
  {
    name: 'accepts a request and says no more',
    serve: (_, response) => void response.writeHead(202).end(),
    problem: 'malformed',
  },
  {
    name: 'redirects to a metadata address',
    serve: (_, response) =>
      void response.writeHead(307, { location: 'http://169.254.169.254/latest/meta-data/' }).end(),
    problem: 'malformed',
  },
  {
    name: 'answers in something that is not HTTP',
    serve: ({ socket }) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
    problem: 'malformed',
  },
  {
    name: 'promises more bytes than it sends',
    serve({ socket }) {
      socket.end(
        `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n${JSON.stringify(ok)}`,
      );
    },
    problem: 'broke_off',
  },
  {
    name: 'breaks off in a message',
    serve(_, response) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"jsonrpc":"2.0",');
      setTimeout(() => response.destroy(), 20);
    },
    problem: 'broke_off',
  },
  {
    name: 'ends a stream before it answered',
    serve(_, response) {
      events(response);
      response.end(event({ jsonrpc: '2.0', method: 'notifications/x' }));
    },
    problem: 'broke_off',
  },
  {
    name: 'closes the connection at once',
    serve: ({ socket }) => void socket.destroy(),
    problem: 'broke_off',
  },
  {
    name: 'refuses our credential',
    serve: (_, response) => void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
    problem: 'unreachable',
  },
];

describe('a server that', () => {
  test.each(rows)('$name: $problem', async ({ serve, config, era, problem }) => {
    await using server = await serverOf(serve);
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url, ...config }, held.ports);
    const message = era === 'stateless' ? stateless('ping') : request('ping');
    const call = callOf(message, era === 'stateless' ? { revision: '2026-07-28' } : {});
    expect(await problemOf(upstream.send(call))).toBe(problem);
    expect(await held.metrics.exposition()).toContain(`end="${problem}",service="gateway"} 1`);
    expect(await held.metrics.exposition()).toContain(
      'sallyport_upstream_exchanges{route="tested",service="gateway"} 0',
    );
  });

  test('sends a gigabyte of events: it is cut, and memory stays flat', async () => {
    let sent = 0;
    await using server = await serverOf((_, response) => {
      events(response);
      const piece = event({
        jsonrpc: '2.0',
        method: 'notifications/message',
        params: { data: 'x'.repeat(6e4) },
      });
      const more = (): void => {
        while (sent < 1024 * MIB && !response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) {
            response.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    let peak = 0;
    let problem: unknown;
    try {
      const { messages } = await upstream.send(callOf(request('tools/call')));
      for await (const _ of messages) peak = Math.max(peak, process.memoryUsage().rss);
    } catch (error) {
      problem = (error as { problem: string }).problem;
    }
    expect(problem).toBe('too_large');
    expect(sent).toBeLessThan(96 * MIB);
    expect(peak - before).toBeLessThan(192 * MIB);
  });

  test('sends while nobody reads is held back by back-pressure', async () => {
    let sent = 0;
    await using server = await serverOf((_, response) => {
      events(response);
      const piece = event({
        jsonrpc: '2.0',
        method: 'notifications/message',
        params: { data: 'x'.repeat(6e4) },
      });
      const more = (): void => {
        while (sent < 512 * MIB && !response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) {
            response.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const ending = new AbortController();
    const exchange = await upstream.send(callOf(request('tools/call'), { signal: ending.signal }));
    const reader = exchange.messages[Symbol.asyncIterator]();
    await reader.next();
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    // The buffers of two sockets and two streams.
    expect(sent).toBeLessThan(24 * MIB);
    ending.abort();
    await expect(reader.next().then(() => reader.next())).rejects.toMatchObject({ problem: 'cancelled' });
  });

  test('answers twice: the second is left out', async () => {
    await using server = await serverOf((_, response) => {
      events(response);
      response.end(event(ok) + event({ ...ok, result: { second: true } }));
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    expect(await problemOf(upstream.send(callOf(request('ping'))))).toEqual([ok]);
  });

  test('sends more bytes than it promised: they are never taken for the next answer', async () => {
    const lie = JSON.stringify({ ...ok, result: { smuggled: true } });
    const body = JSON.stringify(ok);
    const head = (length: number): string =>
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    const answers = [`${head(body.length)}${body}${head(lie.length)}${lie}`];
    await using server = await rawServer(() => answers.shift() ?? `${head(body.length)}${body}`);
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    expect(await problemOf(upstream.send(callOf(request('ping'))))).toEqual([ok]);
    expect(await problemOf(upstream.send(callOf(request('ping'))))).toEqual([ok]);
  });

  test('is at an address that may not be connected to: nothing is sent', async () => {
    let asked = 0;
    await using server = await serverOf((_, response) => {
      asked += 1;
      json(response, ok);
    });
    await using held = await stage();
    const url = server.url.replace('127.0.0.1', 'localhost');
    await using upstream = await openUpstream({ kind: 'http', url, egress: ['example.com'] }, held.ports);
    expect(await problemOf(upstream.send(callOf(request('ping'))))).toBe('unreachable');
    await using metadata = await openUpstream(
      { kind: 'http', url: 'http://169.254.169.254/latest/' },
      held.ports,
    );
    expect(await problemOf(metadata.send(callOf(request('ping'))))).toBe('unreachable');
    expect(asked).toBe(0);
  });
});

async function rawServer(answer: () => string): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => void socket.write(answer()));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
