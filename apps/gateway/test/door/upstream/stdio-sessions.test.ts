/** What children are given, how many there are for whom, and which stream each thing they say belongs to. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '@sallyport/model-context';
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
  stage,
  stateless,
} from './support.ts';
import { child, onLinux, resultOf, session, until } from './children.ts';

describe('what a child is given', () => {
  test('is PATH, a home of its principal, LANG, and what the configuration says', async () => {
    await using held = await stage();
    process.env['SALLYPORT_CANARY'] = 'canary';
    const secret = join(held.ports.workFolder, 'secret');
    await writeFile(secret, 's3cret\n', { mode: 0o600 });
    const config = child(
      'environment',
      { env: { PLAIN: 'a b;$(c)' }, envFiles: { TOKEN: secret } },
      '$HOME; echo',
    );
    await using upstream = await openUpstream(config, held.ports);
    const given = async (id: string) => {
      const caller = callerOf(id);
      const sessionId = await session(upstream, { caller });
      const exchange = await upstream.send(callOf(request('tools/call'), { caller, sessionId }));
      return resultOf(await messagesOf(exchange)) as {
        env: Record<string, string>;
        cwd: string;
        args: readonly string[];
      };
    };
    const alice = await given('user:alice');
    const bob = await given('user:bob');
    expect(Object.keys(alice.env).toSorted()).toEqual(
      ['HOME', 'LANG', 'PATH', 'PLAIN', 'SALLYPORT_CHILD', 'TOKEN'].filter(
        (name) => onLinux || name !== 'SALLYPORT_CHILD',
      ),
    );
    expect(alice.env).toMatchObject({ PLAIN: 'a b;$(c)', TOKEN: 's3cret', HOME: alice.cwd });
    expect(alice.args).toEqual(['environment', '$HOME; echo']);
    expect(alice.cwd.startsWith(held.ports.workFolder)).toBe(true);
    expect(bob.cwd).not.toBe(alice.cwd);
    delete process.env['SALLYPORT_CANARY'];
  });

  test('is nothing at all when the command is not there', async () => {
    await using held = await stage();
    const config = { kind: 'stdio', command: 'no-such-program' } as const;
    await expect(openUpstream(config, held.ports)).rejects.toThrow(TypeError);
  });
});

describe('sessions and streams of children', () => {
  test('a request without a session is refused in words', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('progress'), held.ports);
    const exchange = await upstream.send(callOf(request('tools/list')));
    expect(exchange.status).toBe(400);
    expect(await messagesOf(exchange)).toMatchObject([
      { error: { code: -32600, message: expect.stringContaining('begin with initialize') as string } },
    ]);
  });

  test('ids and progress tokens of two requests at a time are kept apart and restored', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('progress', {}, 'stateless'), held.ports);
    const one = (name: string) =>
      upstream.send(callOf(stateless('tools/call', { name, _meta: {} }, 7), { revision: '2026-07-28' }));
    const withToken = (name: string, progressToken: string | number) => {
      const message = stateless('tools/call', { name }, 7);
      return upstream
        .send(
          callOf(
            {
              ...message,
              params: {
                ...message.params,
                _meta: { ...(message.params?.['_meta'] as object), progressToken },
              },
            },
            { revision: '2026-07-28' },
          ),
        )
        .then(messagesOf);
    };
    const [a, b, c] = await Promise.all([
      withToken('a', 'same'),
      withToken('b', 'same'),
      one('c').then(messagesOf),
    ]);
    for (const [name, messages] of [
      ['a', a],
      ['b', b],
    ] as const)
      expect(messages).toEqual([
        { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'same', progress: 1 } },
        { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'same', progress: 2 } },
        { jsonrpc: '2.0', id: 7, result: { name } },
      ]);
    expect(c).toEqual([{ jsonrpc: '2.0', id: 7, result: { name: 'c' } }]);
  });

  test('a request of the server goes to the stream of the request under way, and its answer back', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('ask'), held.ports);
    const sessionId = await session(upstream);
    const exchange = await upstream.send(callOf(request('tools/call', {}, 5), { sessionId }));
    const messages: Message[] = [];
    for await (const { message } of exchange.messages) {
      if (message === undefined) continue;
      messages.push(message);
      if (!('method' in message) || !('id' in message)) continue;
      // Nobody asked for the first.
      for (const id of ['other', message.id])
        expect(
          (await upstream.send(callOf({ jsonrpc: '2.0', id, result: { of: id } }, { sessionId }))).status,
        ).toBe(202);
    }
    expect(messages).toEqual([
      { jsonrpc: '2.0', id: 'server-1', method: 'sampling/createMessage', params: {} },
      { jsonrpc: '2.0', id: 5, result: { answered: { of: 'server-1' } } },
    ]);
  });

  test('what belongs to no request waits for who listens', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('note'), held.ports);
    const sessionId = await session(upstream);
    const said = await messagesOf(await upstream.send(callOf(request('tools/call'), { sessionId })));
    expect(said).toHaveLength(2);
    await sleep(100);
    const ending = new AbortController();
    const { status, kind, messages } = await upstream.listen({
      ...callOf(request('x'), { sessionId, signal: ending.signal }),
    });
    expect({ status, kind }).toEqual({ status: 200, kind: 'events' });
    const reader = messages[Symbol.asyncIterator]();
    expect((await reader.next()).value).toEqual({
      message: { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} },
    });
    ending.abort();
    await expect(reader.next()).rejects.toMatchObject({ problem: 'cancelled' });
  });

  test('a client that leaves cancels what it asked for, by the name that the server knows', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('hang'), held.ports);
    const sessionId = await session(upstream);
    const ending = new AbortController();
    const asking = problemOf(
      upstream.send(callOf(request('tools/call', {}, 'mine'), { sessionId, signal: ending.signal })),
    );
    await sleep(50);
    ending.abort();
    expect(await asking).toBe('cancelled');
    const { cancelled } = resultOf(
      await messagesOf(await upstream.send(callOf(request('ping'), { sessionId }))),
    );
    expect(cancelled).toEqual([2]);
  });

  test('a session is of its principal alone, and of its tenant', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('echo'), held.ports);
    const sessionId = await session(upstream);
    for (const caller of [callerOf('user:bob'), callerOf('user:alice', 'other')]) {
      expect((await upstream.send(callOf(request('ping'), { caller, sessionId }))).status).toBe(404);
      expect((await upstream.listen(callOf(request('x'), { caller, sessionId }))).status).toBe(404);
      expect((await upstream.end(callOf(request('x'), { caller, sessionId }))).status).toBe(404);
    }
    expect((await upstream.send(callOf(request('ping'), { sessionId }))).status).toBe(200);
    expect(sessionId.length).toBeGreaterThanOrEqual(43);
  });

  test('stateless callers share a child per principal, never between principals', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('pid', {}, 'stateless'), held.ports);
    const pidOf = async (id: string, tenant?: string) =>
      resultOf(
        await messagesOf(
          await upstream.send(
            callOf(stateless('tools/call'), { revision: '2026-07-28', caller: callerOf(id, tenant) }),
          ),
        ),
      )['pid'];
    const [a1, a2, b, c] = await Promise.all([
      pidOf('user:alice'),
      pidOf('user:alice'),
      pidOf('user:bob'),
      pidOf('user:alice', 'other'),
    ]);
    expect(a1).toBe(a2);
    expect(new Set([a1, b, c]).size).toBe(3);
  });

  test('a principal has so many children; an idle one of its own makes room', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(
      child('slow-pid', { maxChildrenPerPrincipal: 1, maxChildren: 2 }),
      held.ports,
    );
    const first = await session(upstream);
    const busy = upstream.send(callOf(request('tools/call'), { sessionId: first }));
    expect(await problemOf(upstream.send(callOf(initialize())))).toBe('busy');
    await session(upstream, { caller: callerOf('user:bob') });
    expect(await problemOf(upstream.send(callOf(initialize(), { caller: callerOf('user:carol') })))).toBe(
      'busy',
    );
    expect(await problemOf(busy)).toMatchObject([{ id: 1 }]);
    await session(upstream);
    expect((await upstream.send(callOf(request('ping'), { sessionId: first }))).status).toBe(404);
  });

  test('an idle child is ended, and its session with it', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('echo', { idleEndMs: 200 }), held.ports);
    const sessionId = await session(upstream);
    await until(async () => (await held.metrics.exposition()).includes('why="idle",service="gateway"} 1'));
    expect((await upstream.send(callOf(request('ping'), { sessionId }))).status).toBe(404);
  });

  test('who listens keeps its child', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('echo', { idleEndMs: 150 }), held.ports);
    const sessionId = await session(upstream);
    const ending = new AbortController();
    const listening = await upstream.listen(callOf(request('x'), { sessionId, signal: ending.signal }));
    const events = eventsOf(listening);
    await sleep(500);
    expect((await upstream.send(callOf(request('ping'), { sessionId }))).status).toBe(200);
    ending.abort();
    await expect(events).rejects.toMatchObject({ problem: 'cancelled' });
  });

  test.each([
    ['', ['session']],
    ['stateless', ['stateless', 'session']],
  ])('eras of a child: %s', async (argument, eras) => {
    await using held = await stage();
    await using upstream = await openUpstream(child('echo', {}, argument), held.ports);
    expect([...(await upstream.eras(new AbortController().signal))]).toEqual(eras);
  });

  test('eras of a child that dies cannot be told', async () => {
    await using held = await stage();
    await using upstream = await openUpstream(child('dead'), held.ports);
    await expect(upstream.eras(new AbortController().signal)).rejects.toMatchObject({
      problem: 'unreachable',
    });
  });
});
