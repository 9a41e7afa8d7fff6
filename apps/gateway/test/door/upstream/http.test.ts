/** What a server behind HTTP is sent, what passes as it is, and that callers and servers are kept apart. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { openUpstream } from '../../../src/door/upstream/index.ts';
import {
  callerOf,
  callOf,
  eventsOf,
  initialize,
  messagesOf,
  problemOf,
  request,
  serverOf,
  stage,
  stateless,
} from './support.ts';

const ok = { jsonrpc: '2.0', id: 1, result: {} };
const event = (message: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`;

function json(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

const events = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
};

async function bodyOf(
  request: IncomingMessage,
): Promise<{ readonly id?: unknown; readonly method?: string }> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text === '' ? '{}' : text) as { readonly id?: unknown; readonly method?: string };
}

describe('what is sent', () => {
  test('2025-11-25: exactly these headers, and none of a caller', async () => {
    const seen: IncomingHttpHeaders[] = [];
    await using server = await serverOf((asked, answer) => {
      seen.push(asked.headers);
      json(answer, ok, 200, { 'mcp-session-id': 'not-of-an-initialize' });
    });
    await using held = await stage();
    const secretFile = join(held.ports.workFolder, 'secret');
    await writeFile(secretFile, 'the-credential\n', { mode: 0o600 });
    const credential = { header: 'Authorization', prefix: 'Bearer ', secretFile };
    await using upstream = await openUpstream({ kind: 'http', url: server.url, credential }, held.ports);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const exchange = await upstream.send(
      callOf(request('ping'), {
        ...{ sessionId: 'given-by-the-server', traceparent },
        evidence: { correlation: 'ab'.repeat(16), policyRevision: '7' },
      }),
    );
    await messagesOf(exchange);
    expect(exchange.sessionId).toBeUndefined();
    const { host: _, 'content-length': __, connection: ___, ...headers } = seen[0] ?? {};
    expect(headers).toEqual({
      'user-agent': 'sallyport',
      'accept-encoding': 'identity',
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: 'Bearer the-credential',
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': 'given-by-the-server',
      'sallyport-principal': 'user:alice',
      'sallyport-tenant': 'default',
      'sallyport-destination': 'tested',
      'sallyport-session': '00'.repeat(16),
      'sallyport-correlation': 'ab'.repeat(16),
      'sallyport-policy-revision': '7',
      traceparent,
    });
  });

  test('2026-07-28: what the body says, said again, and no session', async () => {
    const seen: IncomingHttpHeaders[] = [];
    await using server = await serverOf((asked, answer) => {
      seen.push(asked.headers);
      json(answer, ok);
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const call = callOf(stateless('tools/call', { name: 'größe', arguments: {} }), {
      ...{ revision: '2026-07-28', sessionId: 'of-another-era' },
      parameterHeaders: {
        'mcp-param-region': 'us-west1',
        'mcp-param-bad\r\n': 'x',
        'mcp-param-split': 'x\r\nAuthorization: Bearer stolen',
        authorization: 'Bearer stolen',
      },
    });
    await messagesOf(await upstream.send(call));
    expect(seen[0]).toMatchObject({
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': `=?base64?${Buffer.from('größe').toString('base64')}?=`,
      'mcp-param-region': 'us-west1',
    });
    expect(
      Object.keys(seen[0] ?? {}).filter((name) => /authorization|session-id|split|bad/u.test(name)),
    ).toEqual([]);
  });

  test('connections are used again', async () => {
    let connections = 0;
    await using server = await serverOf((_, answer) => json(answer, ok));
    server.server.on('connection', () => (connections += 1));
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    for (let count = 0; count < 10; count += 1)
      await messagesOf(await upstream.send(callOf(request('ping'))));
    // A connection is free again a turn later than its answer is there.
    expect(connections).toBeLessThanOrEqual(2);
  });
});

describe('what passes', () => {
  test.each([400, 404, 405, 409, 429, 500, 503])('HTTP status %i with its error', async (status) => {
    const error = { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'no' } };
    await using server = await serverOf((_, answer) => json(answer, error, status));
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const exchange = await upstream.send(callOf(request('ping')));
    expect(exchange.status).toBe(status);
    expect(await messagesOf(exchange)).toEqual([error]);
  });

  test('a status without an error of the protocol, with nothing of its body', async () => {
    await using server = await serverOf((_, answer) =>
      answer.writeHead(502).end('<h1>internal-host:8080</h1>'),
    );
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const exchange = await upstream.send(callOf(request('ping')));
    expect({ status: exchange.status, kind: exchange.kind }).toEqual({ status: 502, kind: 'none' });
  });

  test('each event when it comes, not when the stream ends', async () => {
    const gate = Promise.withResolvers<void>();
    await using server = await serverOf((_, answer) => {
      events(answer);
      answer.write(event({ jsonrpc: '2.0', method: 'notifications/x' }));
      void gate.promise.then(() => answer.end(event(ok)));
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const exchange = await upstream.send(callOf(request('tools/call')));
    const reader = exchange.messages[Symbol.asyncIterator]();
    expect((await reader.next()).value).toEqual({ message: { jsonrpc: '2.0', method: 'notifications/x' } });
    gate.resolve();
    expect((await reader.next()).value).toEqual({ message: ok });
    expect((await reader.next()).done).toBe(true);
  });

  test('the stream of what the server says by itself, and the event it is taken up from', async () => {
    const seen: (string | undefined)[] = [];
    await using server = await serverOf((asked, answer) => {
      seen.push(`${asked.method} ${String(asked.headers['last-event-id'])}`);
      events(answer);
      answer.end(event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, 'e-8'));
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const exchange = await upstream.listen({
      ...callOf(request('x'), { sessionId: 's' }),
      lastEventId: 'e-7',
    });
    expect(await eventsOf(exchange)).toEqual([
      { id: 'e-8', message: { jsonrpc: '2.0', method: 'notifications/tools/list_changed' } },
    ]);
    expect(seen).toEqual(['GET e-7']);
    expect((await upstream.listen({ ...callOf(request('x')), lastEventId: 'a\r\nb' })).status).toBe(400);
    expect((await upstream.listen(callOf(request('x'), { revision: '2026-07-28' }))).status).toBe(405);
  });
});

describe('a stream that breaks', () => {
  test('is taken up after its last event, and ends with its answer', async () => {
    const seen: (string | undefined)[] = [];
    await using server = await serverOf((asked, answer) => {
      seen.push(`${asked.method} ${String(asked.headers['last-event-id'])}`);
      events(answer);
      if (asked.method === 'POST') {
        answer.write(`retry: 60\n${event({ jsonrpc: '2.0', method: 'notifications/x' }, 'e-1')}`);
        setTimeout(() => answer.destroy(), 20);
      } else answer.end(event(ok, 'e-2'));
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const found = await eventsOf(await upstream.send(callOf(request('tools/call'), { sessionId: 's' })));
    expect(found.map(({ id }) => id)).toEqual(['e-1', 'e-2']);
    expect(seen).toEqual(['POST undefined', 'GET e-1']);
  });

  test.each([
    ['without event ids', '2025-11-25', undefined],
    ['where the server does not take it up', '2025-11-25', 'e-1'],
    ['where the revision has no resumption', '2026-07-28', 'e-1'],
  ] as const)('%s is broken off', async (_, revision, id) => {
    let gets = 0;
    await using server = await serverOf((asked, answer) => {
      if (asked.method === 'GET') {
        gets += 1;
        answer.writeHead(405).end();
        return;
      }
      events(answer);
      answer.write(`retry: 1\n${event({ jsonrpc: '2.0', method: 'notifications/x' }, id)}`);
      setTimeout(() => answer.destroy(), 20);
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const message = revision === '2026-07-28' ? stateless('tools/call') : request('tools/call');
    expect(await problemOf(upstream.send(callOf(message, { revision })))).toBe('broke_off');
    expect(gets).toBe(revision === '2025-11-25' && id !== undefined ? 1 : 0);
  });
});

describe('sessions', () => {
  test('a server that gives one session id to two principals: the second is refused', async () => {
    await using server = await serverOf((asked, answer) => {
      void bodyOf(asked).then(({ id, method }) =>
        json(
          answer,
          { jsonrpc: '2.0', id, result: {} },
          200,
          method === 'initialize' ? { 'mcp-session-id': 'same' } : {},
        ),
      );
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const bob = callerOf('user:bob');
    expect((await upstream.send(callOf(initialize()))).sessionId).toBe('same');
    expect(await problemOf(upstream.send(callOf(initialize(), { caller: bob })))).toBe('malformed');
    expect((await upstream.send(callOf(request('ping'), { sessionId: 'same', caller: bob }))).status).toBe(
      404,
    );
    expect((await upstream.send(callOf(request('ping'), { sessionId: 'same' }))).status).toBe(200);
  });

  test.each(['a b', 'ü', ''])('a session id that is none (%j) is refused', async (sessionId) => {
    await using server = await serverOf((_, answer) => {
      answer.setHeader('mcp-session-id', Buffer.from(sessionId).toString('latin1'));
      json(answer, { ...ok, id: 0 });
    });
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    expect(await problemOf(upstream.send(callOf(initialize())))).toBe('malformed');
  });

  test('what no header can carry is no session: nothing is sent', async () => {
    await using server = await serverOf((_, answer) => json(answer, ok));
    await using held = await stage();
    await using upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const call = callOf(request('ping'), { sessionId: 'a\r\nAuthorization: x' });
    expect((await upstream.send(call)).status).toBe(404);
  });
});

describe('limits', () => {
  test('a principal has its places, the server has all: beyond it is busy, and notifications still pass', async () => {
    const open = new Set<ServerResponse>();
    await using server = await serverOf((asked, answer) => {
      void bodyOf(asked).then(({ id }) =>
        id === undefined ? answer.writeHead(202).end() : open.add(answer),
      );
    });
    await using held = await stage();
    const config = { kind: 'http', url: server.url, maxConcurrent: 3, maxPerPrincipal: 2 } as const;
    await using upstream = await openUpstream(config, held.ports);
    const ask = (id: string) =>
      problemOf(upstream.send(callOf(request('tools/call'), { caller: callerOf(id) })));
    const waiting = [ask('user:alice'), ask('user:alice'), ask('user:bob')];
    while (open.size < 3) await sleep(10);
    expect(await ask('user:alice')).toBe('busy');
    expect(await ask('user:carol')).toBe('busy');
    const note = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } } as const;
    expect((await upstream.send(callOf(note))).status).toBe(202);
    for (const answer of open) json(answer, ok);
    expect(await Promise.all(waiting)).toEqual([[ok], [ok], [ok]]);
    expect(open.size).toBe(3);
  });

  test('a server that fails too often is left alone, says so, and is tried again', async () => {
    let isWell = false;
    let asked = 0;
    await using server = await serverOf((_, answer) => {
      asked += 1;
      if (isWell) json(answer, ok);
      else answer.destroy();
    });
    await using held = await stage();
    const breaker = { minCalls: 3, failureRatio: 0.5, windowMs: 10_000, openMs: 200 };
    await using upstream = await openUpstream({ kind: 'http', url: server.url, breaker }, held.ports);
    const ask = () => problemOf(upstream.send(callOf(request('ping'))));
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual([
      ...['broke_off', 'broke_off', 'broke_off', 'busy'],
    ]);
    expect(asked).toBe(3);
    expect(upstream.trouble()).toContain('open');
    isWell = true;
    await sleep(250);
    expect(await ask()).toEqual([ok]);
    expect(upstream.trouble()).toBeUndefined();
  });

  test('a server that hangs does not slow another', async () => {
    await using hanging = await serverOf(() => undefined);
    await using well = await serverOf((_, answer) => json(answer, ok));
    await using held = await stage();
    await using slow = await openUpstream({ kind: 'http', url: hanging.url }, held.ports);
    await using quick = await openUpstream({ kind: 'http', url: well.url }, held.ports);
    const ending = new AbortController();
    const stuck = Array.from({ length: 64 }, () =>
      problemOf(slow.send(callOf(request('ping'), { signal: ending.signal }))),
    );
    const began = performance.now();
    for (let count = 0; count < 100; count += 1)
      expect(
        await problemOf(quick.send(callOf(request('ping'), { caller: callerOf(`user:${count}`) }))),
      ).toEqual([ok]);
    expect(performance.now() - began).toBeLessThan(2_000);
    ending.abort();
    expect(new Set(await Promise.all(stuck))).toEqual(new Set(['cancelled']));
  });

  test('the gateway stops: what is under way is cancelled', async () => {
    await using server = await serverOf((_, answer) => events(answer));
    await using held = await stage();
    const upstream = await openUpstream({ kind: 'http', url: server.url }, held.ports);
    const exchange = await upstream.send(callOf(request('tools/call', {}, randomUUID())));
    const reading = messagesOf(exchange);
    void reading.catch(() => undefined);
    await upstream[Symbol.asyncDispose]();
    await expect(reading).rejects.toMatchObject({ problem: 'cancelled' });
  });
});

test('nobody is there: certainly without effect', async () => {
  await using server = await serverOf(() => undefined);
  const { url } = server;
  await new Promise((resolve) => {
    server.server.close(resolve);
  });
  await using held = await stage();
  await using upstream = await openUpstream({ kind: 'http', url }, held.ports);
  await expect(upstream.send(callOf(request('ping')))).rejects.toMatchObject({
    problem: 'unreachable',
    isWithoutEffect: true,
  });
  await expect(upstream.eras(new AbortController().signal)).rejects.toMatchObject({ problem: 'unreachable' });
});
