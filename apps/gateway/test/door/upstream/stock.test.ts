/** Servers that nobody here wrote, of both eras, over HTTP and as children. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { META, type Message, type Revision } from '@sallyport/model-context';
import { describe, expect, test } from 'vitest';
import type { ServerEvent, Upstream } from '../../../src/door/ports.ts';
import { openUpstream, type UpstreamConfig } from '../../../src/door/upstream/index.ts';
import { classicHandler } from './servers/classic.ts';
import { modernServer } from './servers/modern.ts';
import {
  callerOf,
  callOf,
  eventsOf,
  initialize,
  messagesOf,
  request,
  serverOf,
  stage,
  stateless,
  type Stage,
} from './support.ts';

const script = (name: string): string => fileURLToPath(new URL(`servers/${name}.ts`, import.meta.url));
const child = (...args: readonly string[]): UpstreamConfig => ({
  kind: 'stdio',
  command: process.execPath,
  args,
});
const require = createRequire(import.meta.url);
const EVERYTHING = require.resolve('@modelcontextprotocol/server-everything/dist/index.js');

type Opened = AsyncDisposable & { readonly upstream: Upstream; readonly held: Stage };

/** The server where it listens, if it does, and the upstream to it. */
async function opened(name: string): Promise<Opened> {
  const stack = new AsyncDisposableStack();
  const held = stack.use(await stage());
  const config = await configOf(name, stack);
  const upstream = stack.use(await openUpstream(config, held.ports));
  return { upstream, held, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function configOf(name: string, stack: AsyncDisposableStack): Promise<UpstreamConfig> {
  if (name === 'v1 over HTTP') return { kind: 'http', url: stack.use(await serverOf(classicHandler())).url };
  if (name === 'v2 over HTTP') {
    const handler = toNodeHandler(createMcpHandler(() => modernServer()));
    return {
      kind: 'http',
      url: stack.use(await serverOf((asked, answer) => void handler(asked as never, answer))).url,
    };
  }
  if (name === 'v1 as a child') return child(script('classic'));
  if (name === 'v2 as a child') return child(script('modern'));
  return child(EVERYTHING, 'stdio');
}

const SESSION_SERVERS = ['v1 over HTTP', 'v1 as a child', 'v2 as a child', 'everything as a child'];
const STATELESS_SERVERS = ['v2 over HTTP', 'v2 as a child'];

async function sessionAt(upstream: Upstream): Promise<string> {
  const exchange = await upstream.send(callOf(initialize()));
  expect(exchange.status).toBe(200);
  expect(await messagesOf(exchange)).toMatchObject([{ id: 0, result: { protocolVersion: '2025-11-25' } }]);
  const { sessionId } = exchange;
  if (sessionId === undefined) throw new Error('no session was opened');
  const ready = await upstream.send(
    callOf({ jsonrpc: '2.0', method: 'notifications/initialized' }, { sessionId }),
  );
  expect({ status: ready.status, kind: ready.kind }).toEqual({ status: 202, kind: 'none' });
  return sessionId;
}

/** What stock clients declare comes on top of what a request says. */
const counted = (revision: Revision): Message =>
  revision === '2026-07-28'
    ? stateless('tools/call', { name: 'count' }, 9)
    : request('tools/call', { name: 'count' }, 9);

describe('a stock server of sessions', () => {
  test.each(SESSION_SERVERS)('%s: initialize, list, call, end', async (name) => {
    await using here = await opened(name);
    const { upstream } = here;
    const sessionId = await sessionAt(upstream);
    const list = await messagesOf(await upstream.send(callOf(request('tools/list', {}, 'l'), { sessionId })));
    // Some say on the way that their list has changed.
    expect(list.slice(-1)).toMatchObject([{ id: 'l', result: { tools: expect.anything() as unknown } }]);
    const call = request('tools/call', { name: 'echo', arguments: { text: 'hello', message: 'hello' } }, 2);
    const answer = (await messagesOf(await upstream.send(callOf(call, { sessionId })))).at(-1);
    expect(JSON.stringify(answer)).toContain('hello');
    expect((await upstream.end(callOf(request('x'), { sessionId }))).status).toBe(200);
    expect((await upstream.send(callOf(request('ping'), { sessionId }))).status).toBe(404);
  });

  test.each(['v1 over HTTP', 'v1 as a child'])(
    '%s: asks the client on the stream of the call',
    async (name) => {
      await using here = await opened(name);
      const { upstream } = here;
      const sessionId = await sessionAt(upstream);
      const exchange = await upstream.send(callOf(request('tools/call', { name: 'ask' }, 3), { sessionId }));
      expect(exchange.kind).toBe('events');
      const seen: string[] = [];
      let last: Message | undefined;
      for await (const { message } of exchange.messages) {
        if (message === undefined) continue;
        last = message;
        if (!('method' in message) || !('id' in message)) continue;
        seen.push(message.method);
        const result = { action: 'accept', content: { name: 'Alice' } };
        await upstream.send(callOf({ jsonrpc: '2.0', id: message.id, result }, { sessionId }));
      }
      expect(seen).toEqual(['elicitation/create']);
      expect(JSON.stringify(last)).toContain('Alice');
    },
  );

  test('v1 over HTTP: a stream that the server leaves is taken up here, unless the client does', async () => {
    await using here = await opened('v1 over HTTP');
    const { upstream, held } = here;
    const sessionId = await sessionAt(upstream);
    const leave = request('tools/call', { name: 'leave' }, 4);
    const events = await eventsOf(await upstream.send(callOf(leave, { sessionId })));
    expect(events[0]?.message).toBeUndefined();
    expect(events[0]?.id).toBeDefined();
    expect(events.at(-1)?.message).toMatchObject({ id: 4, result: { content: [{ text: 'done' }] } });
    expect(await held.metrics.exposition()).toContain(
      'resumptions_total{route="tested",service="gateway"} 1',
    );

    const left = await eventsOf(await upstream.send(callOf(leave, { sessionId, clientResumes: true })));
    expect(left.filter(({ message }) => message !== undefined)).toEqual([]);
    const lastEventId = left.at(-1)?.id;
    if (lastEventId === undefined) throw new Error('there is no event to come back to');
    const resumed = await upstream.listen({ ...callOf(leave, { sessionId }), lastEventId });
    for await (const { message } of resumed.messages) {
      if (message === undefined) continue;
      expect(message).toMatchObject({ id: 4, result: { content: [{ text: 'done' }] } });
      break;
    }
  });

  test('v1 over HTTP: a session of one principal is not of another', async () => {
    await using here = await opened('v1 over HTTP');
    const sessionId = await sessionAt(here.upstream);
    const caller = callerOf('user:bob');
    expect((await here.upstream.send(callOf(request('ping'), { sessionId, caller }))).status).toBe(404);
    expect((await here.upstream.end(callOf(request('ping'), { sessionId, caller }))).status).toBe(404);
    expect((await here.upstream.send(callOf(request('ping'), { sessionId }))).status).toBe(200);
  });
});

describe('a stock server of 2026-07-28', () => {
  const revision = '2026-07-28';

  test.each(STATELESS_SERVERS)('%s: discover, list, call', async (name) => {
    await using here = await opened(name);
    const { upstream } = here;
    const discovered = await messagesOf(
      await upstream.send(callOf(stateless('server/discover'), { revision })),
    );
    expect(discovered).toMatchObject([{ id: 1, result: { supportedVersions: [revision] } }]);
    const list = await messagesOf(await upstream.send(callOf(stateless('tools/list'), { revision })));
    expect(JSON.stringify(list)).toContain('"echo"');
    const call = stateless('tools/call', { name: 'echo', arguments: { text: 'grüße' } }, 'c');
    const answer = await messagesOf(await upstream.send(callOf(call, { revision })));
    expect(answer).toMatchObject([{ id: 'c', result: { content: [{ text: 'grüße' }] } }]);
  });

  test('v2 over HTTP: arguments that a tool wants in headers are said there without a list before', async () => {
    await using here = await opened('v2 over HTTP');
    const call = stateless('tools/call', { name: 'echo', arguments: { text: 'first' } });
    const answer = await messagesOf(await here.upstream.send(callOf(call, { revision })));
    expect(answer).toMatchObject([{ result: { content: [{ text: 'first' }] } }]);
  });

  test.each(STATELESS_SERVERS)(
    '%s: progress comes before the answer, with the token of the client',
    async (name) => {
      await using here = await opened(name);
      const message = counted(revision);
      if (!('params' in message)) throw new Error('it has parameters');
      const params = {
        ...message.params,
        _meta: { ...(message.params?.['_meta'] as object), progressToken: 'mine' },
      };
      const messages = await messagesOf(
        await here.upstream.send(callOf({ ...message, params }, { revision })),
      );
      expect(messages.map((each) => ('method' in each ? each.params?.['progressToken'] : 'answer'))).toEqual([
        ...['mine', 'mine', 'mine', 'answer'],
      ]);
    },
  );

  test.each(STATELESS_SERVERS)('%s: an unknown method is 404 with its error', async (name) => {
    await using here = await opened(name);
    const exchange = await here.upstream.send(callOf(stateless('no/such/method'), { revision }));
    expect(exchange.status).toBe(404);
    expect(await messagesOf(exchange)).toMatchObject([{ error: { code: -32601 } }]);
  });

  test('v2 as a child: two subscriptions with one name each hear what they asked for, by that name', async () => {
    await using here = await opened('v2 as a child');
    const ending = new AbortController();
    const listen = stateless('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'mine');
    const readers = await Promise.all(
      [1, 2].map(async () => {
        const { messages } = await here.upstream.send(callOf(listen, { revision, signal: ending.signal }));
        return messages[Symbol.asyncIterator]();
      }),
    );
    const next = async (): Promise<unknown> =>
      Promise.all(readers.map(async (reader) => ((await reader.next()).value as ServerEvent).message));
    const noted = (method: string) => ({ method, params: { _meta: { [META.subscriptionId]: 'mine' } } });
    expect(await next()).toMatchObject([1, 2].map(() => noted('notifications/subscriptions/acknowledged')));
    await messagesOf(
      await here.upstream.send(callOf(stateless('tools/call', { name: 'grow' }), { revision })),
    );
    expect(await next()).toMatchObject([1, 2].map(() => noted('notifications/tools/list_changed')));
    ending.abort();
    await expect(readers[0]?.next()).rejects.toMatchObject({ problem: 'cancelled' });
  });

  test('v2 over HTTP: an unknown version is 400 with its error', async () => {
    await using here = await opened('v2 over HTTP');
    const message = request('tools/list', {
      _meta: { [META.protocolVersion]: '2099-01-01', [META.clientCapabilities]: {} },
    });
    const exchange = await here.upstream.send(callOf(message, { revision }));
    expect(exchange.status).toBe(400);
    expect(await messagesOf(exchange)).toMatchObject([{ error: { code: -32022 } }]);
  });
});

test.each([
  ['v1 over HTTP', ['session']],
  ['v1 as a child', ['session']],
  ['everything as a child', ['session']],
  ['v2 over HTTP', ['stateless', 'session']],
  ['v2 as a child', ['stateless', 'session']],
])('eras of %s', async (name, eras) => {
  await using here = await opened(name);
  expect([...(await here.upstream.eras(new AbortController().signal))]).toEqual(eras);
  expect(here.upstream.trouble()).toBeUndefined();
});
