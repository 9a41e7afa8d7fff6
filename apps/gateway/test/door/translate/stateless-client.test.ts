/** A stock client of 2026-07-28 at a stock server of 2025-11-25. */
import type { Client } from '@modelcontextprotocol/client';
import { isRequest, type Message } from '@sallyport/model-context';
import { afterEach, describe, expect, it } from 'vitest';
import { statelessOver } from '../../../src/door/translate/stateless-over.ts';
import { buildSessionServer, inside, TOOLS, type Inside } from '../support/stock-servers.ts';
import { callerOf, sessionServer, statelessClient, translatePorts, until } from '../support/stock.ts';

const EVERYTHING = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

const stage = (options: { detached?: boolean; limits?: object } = {}) => {
  const state: Inside = inside();
  const stock = sessionServer(buildSessionServer(state, options.detached ?? false));
  const facing = statelessOver(stock.server, translatePorts(options.limits));
  disposals.push(async () => facing[Symbol.asyncDispose]());
  return { state, stock, facing };
};
type Facing = ReturnType<typeof stage>['facing'];
const connect = async (
  facing: Facing,
  capabilities: object = EVERYTHING,
  prepare: (client: Client) => void = () => undefined,
  seen: Message[] = [],
) => {
  const client = await statelessClient(facing, { capabilities, seen }, (one) => {
    const declared = capabilities as Record<string, unknown>;
    if (declared['elicitation'] !== undefined) {
      one.setRequestHandler('elicitation/create', ({ params }) =>
        params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } },
      );
    }
    if (declared['sampling'] !== undefined) {
      one.setRequestHandler('sampling/createMessage', () => ({
        role: 'assistant',
        model: 'm',
        content: { type: 'text', text: 'Paris' },
      }));
    }
    if (declared['roots'] !== undefined)
      one.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///r' }] }));
    prepare(one);
  });
  disposals.push(async () => client.close());
  return client;
};
const textOf = (result: unknown): string => {
  const [first] = (result as { content: { text: string }[] }).content;
  return first?.text ?? '';
};

describe.each([
  ['requests on the stream of the call', false],
  ['requests on the stream of the session', true],
])('a stateless client at a session server, %s', (_, detached) => {
  it('discovers', async () => {
    const { facing } = stage({ detached });
    const client = await connect(facing);
    expect(client.getServerVersion()).toMatchObject({ name: 'stock-session', version: '1.0.0' });
    expect(client.getServerCapabilities()).toMatchObject({
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
    expect(client.getInstructions()).toBe('Ask nicely.');
  });

  it.each<[string, string]>([
    ['echo', '{"a":1}'],
    ['ask', 'accept Ada'],
    ['twice', 'Ada Ada'],
    ['ask-url', 'accept'],
    ['url-first', 'done'],
    ['sample', '{"type":"text","text":"Paris"}'],
    ['roots', 'file:///r'],
    ['both', 'Ada {"type":"text","text":"Paris"}'],
  ])('calls %s', async (name, expected) => {
    const { facing } = stage({ detached });
    const client = await connect(facing);
    expect(textOf(await client.callTool({ name, arguments: { a: 1 } }))).toBe(expected);
  });
});

describe('a stateless client at a session server', () => {
  it('lists, reads, gets and completes', async () => {
    const { facing, stock } = stage();
    const client = await connect(facing);
    expect((await client.listTools()).tools.map(({ name }) => name)).toStrictEqual(TOOLS);
    expect((await client.listPrompts()).prompts).toHaveLength(1);
    expect((await client.readResource({ uri: 'test://a' })).contents[0]).toMatchObject({ text: 'A' });
    expect((await client.getPrompt({ name: 'greet', arguments: { who: 'me' } })).messages[0]).toMatchObject({
      content: { text: 'greet me' },
    });
    expect(
      (
        await client.complete({
          ref: { type: 'ref/prompt', name: 'greet' },
          argument: { name: 'who', value: '' },
        })
      ).completion.values,
    ).toStrictEqual(['one', 'two']);
    expect(stock.opened()).toBe(1);
  });

  it('says how long lists keep and for whom, and that they are complete', async () => {
    const seen: Message[] = [];
    const { facing } = stage();
    const client = await connect(facing, {}, undefined, seen);
    await client.listTools();
    expect(seen.at(-1)).toMatchObject({
      result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private' },
    });
  });

  it('is told of errors as its own era has them', async () => {
    const { facing } = stage();
    const client = await connect(facing);
    await expect(client.readResource({ uri: 'test://none' })).rejects.toMatchObject({ code: -32602 });
    await expect(client.callTool({ name: 'none' })).rejects.toMatchObject({ code: -32602 });
    expect(await client.callTool({ name: 'fail' })).toMatchObject({ isError: true });
  });

  it('gets progress with its own token, and logs at its level only', async () => {
    const { facing } = stage();
    const logs: unknown[] = [];
    const client = await connect(facing, {}, (one) =>
      one.setNotificationHandler('notifications/message', ({ params }) => void logs.push(params.data)),
    );
    const progress: number[] = [];
    const meta = { 'io.modelcontextprotocol/logLevel': 'warning' };
    await client.callTool(
      { name: 'slow', _meta: meta },
      { onprogress: (one) => void progress.push(one.progress) },
    );
    expect(progress).toStrictEqual([1, 2, 3]);
    expect(logs.filter((data) => String(data).startsWith('related'))).toStrictEqual([
      'related 2',
      'related 3',
    ]);
    logs.length = 0;
    await client.callTool({ name: 'slow' });
    expect(logs).toStrictEqual([]);
  });

  it('cancels by leaving', async () => {
    const { facing, state } = stage();
    const client = await connect(facing);
    const leaving = new AbortController();
    const call = client.callTool({ name: 'hang' }, { signal: leaving.signal });
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/i);
    await until(() => state.cancelled === 1);
  });

  it('listens to changes', async () => {
    const { facing, stock, state } = stage();
    const heard: string[] = [];
    const client = await connect(facing, {}, (one) => {
      one.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
      one.setNotificationHandler(
        'notifications/resources/updated',
        ({ params }) => void heard.push(params.uri),
      );
    });
    const subscription = await client.listen({
      toolsListChanged: true,
      promptsListChanged: true,
      resourceSubscriptions: ['test://a'],
    });
    expect(subscription.honoredFilter).toStrictEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['test://a'],
    });
    expect(state.subscribed).toStrictEqual(['test://a']);
    const [server] = stock.servers;
    await server?.sendToolListChanged();
    await server?.sendResourceUpdated({ uri: 'test://a' });
    await server?.sendResourceUpdated({ uri: 'test://b' });
    await server?.sendToolListChanged();
    await until(() => heard.length === 3);
    expect(heard).toStrictEqual(['tools', 'test://a', 'tools']);
    await subscription.close();
    await until(() => state.unsubscribed.length === 1);
  });

  it('without a capability gets -32021 that names it', async () => {
    const { facing, state } = stage();
    const client = await connect(facing, {});
    // The stock server does not ask whom it may not; one that does is tested with a fake.
    await expect(client.callTool({ name: 'ask' })).rejects.toThrow(/elicitation/i);
    expect(state.calls).toBe(1);
  });

  it('is served in one session for each principal and set of capabilities', async () => {
    const { facing, stock } = stage();
    const clients = [
      await statelessClient(facing, { capabilities: {} }),
      await statelessClient(facing, { capabilities: {} }),
      await statelessClient(facing, { capabilities: { roots: {} } }),
      await statelessClient(facing, { capabilities: {}, caller: callerOf('user:bob') }),
    ];
    for (const client of clients) await client.callTool({ name: 'echo' });
    expect(stock.opened()).toBe(3);
    for (const client of clients) await client.close();
  });

  it('does not notice that the server forgot the session', async () => {
    const { facing, stock } = stage();
    const client = await connect(facing);
    await client.callTool({ name: 'echo' });
    for (const transport of stock.transports.values()) await transport.close();
    stock.transports.clear();
    expect(textOf(await client.callTool({ name: 'echo', arguments: { b: 2 } }))).toBe('{"b":2}');
    expect(stock.opened()).toBe(2);
  });

  it('sends nothing of its era to the server', async () => {
    const { facing, stock } = stage();
    const client = await connect(facing);
    const received: unknown[] = [];
    for (const transport of stock.transports.values()) {
      const before = transport.onmessage;
      transport.onmessage = (message, extra) => {
        received.push(message);
        before?.(message, extra);
      };
    }
    await client.callTool({ name: 'ask' });
    expect(received.length).toBeGreaterThan(1);
    expect(JSON.stringify(received)).not.toContain('io.modelcontextprotocol/');
    expect(received.filter((message) => isRequest(message as Message))).toHaveLength(1);
  });
});
