/** A stock client of 2025-11-25 at a stock server of 2026-07-28. */
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { Message } from '@sallyport/model-context';
import { afterEach, describe, expect, it } from 'vitest';
import { sessionOver } from '../../../src/door/translate/session-over.ts';
import { inside, statelessServer, TOOLS } from '../support/stock-servers.ts';
import { sessionClient, translatePorts, until } from '../support/stock.ts';

const EVERYTHING = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

const stage = () => {
  const state = inside();
  const stock = statelessServer(state);
  const facing = sessionOver(stock.server, translatePorts());
  disposals.push(async () => facing[Symbol.asyncDispose]());
  return { state, stock, facing };
};
const connect = async (
  facing: ReturnType<typeof stage>['facing'],
  capabilities: object = EVERYTHING,
  seen: Message[] = [],
): Promise<Client> => {
  const client = await sessionClient(facing, { capabilities, seen });
  const declared = capabilities as Record<string, unknown>;
  if (declared['elicitation'] !== undefined) {
    client.setRequestHandler(v1.ElicitRequestSchema, ({ params }) =>
      params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } },
    );
  }
  if (declared['sampling'] !== undefined) {
    client.setRequestHandler(v1.CreateMessageRequestSchema, () => ({
      role: 'assistant',
      model: 'm',
      content: { type: 'text', text: 'Paris' },
    }));
  }
  if (declared['roots'] !== undefined) {
    client.setRequestHandler(v1.ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///r' }] }));
  }
  disposals.push(async () => client.close());
  return client;
};
const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';

describe('a session client at a stateless server', () => {
  it('initializes', async () => {
    const { facing } = stage();
    const client = await connect(facing);
    expect(client.getServerVersion()).toMatchObject({ name: 'stock-stateless', version: '2.0.0' });
    expect(client.getServerCapabilities()).toMatchObject({ tools: { listChanged: true }, logging: {} });
    expect(client.getInstructions()).toBe('Ask nicely.');
    await client.ping();
  });

  it.each<[string, string]>([
    ['echo', '{"a":1}'],
    ['ask', 'accept Ada'],
    ['twice', 'Ada Ada'],
    ['ask-url', 'accept'],
    ['sample', '{"type":"text","text":"Paris"}'],
    ['roots', 'file:///r'],
    ['both', 'Ada {"type":"text","text":"Paris"}'],
  ])('calls %s', async (name, expected) => {
    const { facing } = stage();
    const client = await connect(facing);
    expect(textOf(await client.callTool({ name, arguments: { a: 1 } }))).toBe(expected);
  });

  it('lists, reads, gets and completes', async () => {
    const { facing } = stage();
    const client = await connect(facing);
    expect((await client.listTools()).tools.map(({ name }) => name)).toStrictEqual(TOOLS);
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
  });

  it('gets nothing of the other era', async () => {
    const { facing } = stage();
    const seen: Message[] = [];
    const client = await connect(facing, EVERYTHING, seen);
    await client.listTools();
    await client.callTool({ name: 'ask' });
    const text = JSON.stringify(seen);
    for (const word of ['resultType', 'ttlMs', 'cacheScope', 'io.modelcontextprotocol/'])
      expect(text).not.toContain(word);
  });

  it('is told of errors as its own era has them', async () => {
    const { facing } = stage();
    const client = await connect(facing);
    await expect(client.readResource({ uri: 'test://none' })).rejects.toMatchObject({ code: -32002 });
    await expect(client.callTool({ name: 'none' })).rejects.toMatchObject({ code: -32602 });
    await expect(client.request({ method: 'no/such' }, v1.EmptyResultSchema)).rejects.toMatchObject({
      code: -32601,
    });
    expect(await client.callTool({ name: 'fail' })).toMatchObject({ isError: true });
  });

  it('gets progress and logs at the level of its session', async () => {
    const { facing } = stage();
    const client = await connect(facing, {});
    const logs: unknown[] = [];
    client.setNotificationHandler(
      v1.LoggingMessageNotificationSchema,
      ({ params }) => void logs.push(params.data),
    );
    const progress: number[] = [];
    const onprogress = (one: { progress: number }): void => void progress.push(one.progress);
    await client.callTool({ name: 'slow' }, undefined, { onprogress });
    expect([progress, logs]).toStrictEqual([[1, 2, 3], []]);
    await client.setLoggingLevel('warning');
    await client.callTool({ name: 'slow' }, undefined, { onprogress });
    expect(logs).toStrictEqual(['related 2', 'related 3']);
  });

  it('cancels by a notification', async () => {
    const { facing, state } = stage();
    const client = await connect(facing);
    const leaving = new AbortController();
    const call = client.callTool({ name: 'hang' }, undefined, { signal: leaving.signal });
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/i);
    await until(() => state.cancelled === 1);
  });

  it('hears changes on its own stream, of what it subscribed to', async () => {
    const { facing, stock } = stage();
    const client = await connect(facing, {});
    const heard: string[] = [];
    client.setNotificationHandler(v1.ToolListChangedNotificationSchema, () => void heard.push('tools'));
    client.setNotificationHandler(
      v1.ResourceUpdatedNotificationSchema,
      ({ params }) => void heard.push(params.uri),
    );
    await until(() => {
      stock.handler.notify.toolsChanged();
      return heard.includes('tools');
    });
    await client.subscribeResource({ uri: 'test://a' });
    await until(() => {
      stock.handler.notify.resourceUpdated('test://b');
      stock.handler.notify.resourceUpdated('test://a');
      return heard.includes('test://a');
    });
    expect(heard).not.toContain('test://b');
    await client.unsubscribeResource({ uri: 'test://a' });
    await until(() => {
      heard.length = 0;
      stock.handler.notify.resourceUpdated('test://a');
      return !heard.includes('test://a');
    });
  });

  it('ends its session', async () => {
    const { facing } = stage();
    const client = await connect(facing);
    const transport = client.transport as unknown as { terminateSession(): Promise<void>; sessionId: string };
    await transport.terminateSession();
    await expect(client.callTool({ name: 'echo' })).rejects.toThrow(/session/i);
  });

  it('goes on with its session on another replica', async () => {
    const { stock } = stage();
    const one = sessionOver(stock.server, translatePorts());
    const other = sessionOver(stock.server, translatePorts());
    let at = one;
    const client = await sessionClient({
      send: (call) => at.send(call),
      listen: (call) => at.listen(call),
      end: (call) => at.end(call),
    });
    await client.callTool({ name: 'echo' });
    at = other;
    expect(textOf(await client.callTool({ name: 'echo', arguments: { c: 3 } }))).toBe('{"c":3}');
    await client.close();
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });
});
