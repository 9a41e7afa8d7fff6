/** Stock clients of both eras at stock servers put together, each server in its own era and translated where need be. */
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import type { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import type { Client as StatelessClient } from '@modelcontextprotocol/client';
import { eraOf, type Message } from '@sallyport/model-context';
import { afterEach, describe, expect, it } from 'vitest';
import { federated } from '../../../src/door/federate/federated.ts';
import type { FederatePorts, LeftOut } from '../../../src/door/federate/ports.ts';
import type { Handles, ModelContextServer } from '../../../src/door/ports.ts';
import { sessionOver } from '../../../src/door/translate/session-over.ts';
import { statelessOver } from '../../../src/door/translate/stateless-over.ts';
import { buildSessionServer, inside, statelessServer, TOOLS } from '../support/stock-servers.ts';
import {
  callerOf,
  sessionClient,
  sessionServer,
  statelessClient,
  translatePorts,
  until,
} from '../support/stock.ts';

const EVERYTHING = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

/** Bound to the principal, as the real ones are. */
const handles: Handles = {
  seal: async ({ caller, route, kind, value }) =>
    Buffer.from(JSON.stringify([caller.principal.id, route, kind, value])).toString('base64url'),
  open: async ({ caller, route, kind, sealed }) => {
    const [id, at, what, value] = JSON.parse(Buffer.from(sealed, 'base64url').toString()) as string[];
    return id === caller.principal.id && at === route && what === kind ? value : undefined;
  },
};
const bothEras = (stateless: ModelContextServer, session: ModelContextServer): ModelContextServer => ({
  send: (call) => (eraOf(call.revision) === 'stateless' ? stateless : session).send(call),
  listen: (call) => (eraOf(call.revision) === 'stateless' ? stateless : session).listen(call),
  end: (call) => (eraOf(call.revision) === 'stateless' ? stateless : session).end(call),
});
const dead: ModelContextServer = {
  send: () => new Promise(() => undefined),
  listen: () => new Promise(() => undefined),
  end: () => new Promise(() => undefined),
};

const stage = (options: { readonly dead?: boolean; readonly ports?: Partial<FederatePorts> } = {}) => {
  const old = inside();
  const fresh = inside();
  const oldStock = sessionServer(buildSessionServer(old));
  const freshStock = statelessServer(fresh);
  const oldStateless = statelessOver(oldStock.server, translatePorts());
  const freshSession = sessionOver(freshStock.server, translatePorts());
  const leftOut: LeftOut[] = [];
  const routes = new Map<string, ModelContextServer>([
    ['old', bothEras(oldStateless, oldStock.server)],
    ['new', bothEras(freshStock.server, freshSession)],
  ]);
  if (options.dead === true) routes.set('dead', dead);
  const { now, schedule, randomBytes, implementation } = translatePorts();
  const door = federated(routes, {
    now,
    schedule,
    randomBytes,
    implementation,
    handles,
    leftOut: (report) => void leftOut.push(report),
    limits: { listDeadlineMs: 150 },
    ...options.ports,
  });
  disposals.push(async () => {
    await door[Symbol.asyncDispose]();
    await oldStateless[Symbol.asyncDispose]();
    await freshSession[Symbol.asyncDispose]();
  });
  return { door, old, fresh, oldStock, freshStock, leftOut };
};

const answerAll = (client: SessionClient): void => {
  client.setRequestHandler(v1.ElicitRequestSchema, ({ params }) =>
    params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } },
  );
  client.setRequestHandler(v1.CreateMessageRequestSchema, () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'Paris' },
  }));
  client.setRequestHandler(v1.ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///r' }] }));
};
const answerAllStateless = (client: StatelessClient): void => {
  client.setRequestHandler('elicitation/create', ({ params }) =>
    params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: { name: 'Ada' } },
  );
  client.setRequestHandler('sampling/createMessage', () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'Paris' },
  }));
  client.setRequestHandler('roots/list', () => ({ roots: [{ uri: 'file:///r' }] }));
};
type Door = ReturnType<typeof stage>['door'];
const session = async (door: Door, seen: Message[] = []) => {
  const client = await sessionClient(door, { capabilities: EVERYTHING, seen });
  answerAll(client);
  disposals.push(async () => client.close());
  return client;
};
const stateless = async (door: Door, seen: Message[] = []) => {
  const client = await statelessClient(door, { capabilities: EVERYTHING, seen }, answerAllStateless);
  disposals.push(async () => client.close());
  return client;
};
const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';
const BOTH = [...TOOLS.map((name) => `old__${name}`), ...TOOLS.map((name) => `new__${name}`)];

describe.each(['session', 'stateless'] as const)('a %s client at all servers', (era) => {
  const connect = (door: Door, seen: Message[] = []) =>
    era === 'session' ? session(door, seen) : stateless(door, seen);

  it('is told what they can together, and by whom instructions are', async () => {
    const client = await connect(stage().door);
    expect(client.getServerVersion()).toMatchObject({ name: 'sallyport' });
    expect(client.getServerCapabilities()).toMatchObject({
      tools: { listChanged: true },
      resources: { subscribe: true },
    });
    expect(client.getInstructions()).toBe('old: Ask nicely.\n\nnew: Ask nicely.');
  });

  it('lists all tools in configured order, under long names where they collide', async () => {
    const client = await connect(stage().door);
    expect((await client.listTools()).tools.map(({ name }) => name)).toStrictEqual(BOTH);
    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toStrictEqual([
      'old__greet',
      'new__greet',
    ]);
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toStrictEqual(['test://a']);
  });

  it.each<[string, string]>([
    ['echo', '{"a":1}'],
    ['ask', 'accept Ada'],
    ['twice', 'Ada Ada'],
    ['sample', '{"type":"text","text":"Paris"}'],
    ['roots', 'file:///r'],
    ['both', 'Ada {"type":"text","text":"Paris"}'],
  ])('calls %s at each of them', async (name, expected) => {
    const { door, old, fresh } = stage();
    const client = await connect(door);
    expect(textOf(await client.callTool({ name: `old__${name}`, arguments: { a: 1 } }))).toBe(expected);
    expect(fresh.calls).toBe(0);
    const before = old.calls;
    expect(textOf(await client.callTool({ name: `new__${name}`, arguments: { a: 1 } }))).toBe(expected);
    expect(old.calls).toBe(before);
  });

  it('reads, gets and completes at the right one', async () => {
    const client = await connect(stage().door);
    expect((await client.readResource({ uri: 'test://a' })).contents[0]).toMatchObject({ text: 'A' });
    expect((await client.getPrompt({ name: 'new__greet', arguments: { who: 'me' } })).messages).toHaveLength(
      1,
    );
    const ref = { type: 'ref/prompt', name: 'old__greet' } as const;
    expect(
      (await client.complete({ ref, argument: { name: 'who', value: '' } })).completion.values,
    ).toHaveLength(2);
    await expect(client.callTool({ name: 'echo' })).rejects.toMatchObject({ code: -32602 });
    await expect(client.readResource({ uri: 'test://none' })).rejects.toMatchObject({ code: -32602 });
  });

  it('is served without a server that hangs, and that is reported', async () => {
    const { door, leftOut } = stage({ dead: true });
    const client = await connect(door);
    expect((await client.listTools()).tools.map(({ name }) => name)).toStrictEqual(BOTH);
    expect(new Set(leftOut.map(({ route }) => route))).toStrictEqual(new Set(['dead']));
    expect(textOf(await client.callTool({ name: 'new__echo', arguments: {} }))).toBe('{}');
  });

  it('does not see a route that it may not use', async () => {
    const { door } = stage({ ports: { mayUse: (_, route) => route !== 'old' } });
    const client = await connect(door);
    expect((await client.listTools()).tools.map(({ name }) => name)).toStrictEqual(TOOLS);
    await expect(client.callTool({ name: 'old__echo' })).rejects.toMatchObject({ code: -32602 });
  });

  it('gets progress of a call and cancels one', async () => {
    const { door, old, fresh } = stage();
    const client = await connect(door);
    for (const [route, state] of [
      ['old', old],
      ['new', fresh],
    ] as const) {
      const progress: number[] = [];
      const onprogress = (one: { progress: number }): void => void progress.push(one.progress);
      const call = (name: string, options: object): Promise<unknown> =>
        era === 'session'
          ? (client as SessionClient).callTool({ name }, undefined, options)
          : (client as StatelessClient).callTool({ name }, options);
      await call(`${route}__slow`, { onprogress });
      expect(progress).toStrictEqual([1, 2, 3]);
      const leaving = new AbortController();
      const before = state.calls;
      const hanging = call(`${route}__hang`, { signal: leaving.signal });
      hanging.catch(() => undefined);
      await until(() => state.calls === before + 1);
      leaving.abort();
      await expect(hanging).rejects.toThrow(/abort/i);
      await until(() => state.cancelled === 1);
    }
  });
});

describe('changes', () => {
  it('of all servers come on one stream of a session', async () => {
    const { door, oldStock, freshStock } = stage();
    const client = await session(door);
    let heard = 0;
    client.setNotificationHandler(v1.ToolListChangedNotificationSchema, () => void (heard += 1));
    await until(() => {
      freshStock.handler.notify.toolsChanged();
      return heard > 0;
    });
    const before = heard;
    await oldStock.servers[0]?.sendToolListChanged();
    await until(() => heard > before);
  });

  it('of all servers come to one that listens, agreed to once', async () => {
    const { door, oldStock, freshStock, old } = stage({ dead: true });
    const heard: string[] = [];
    const client = await stateless(door);
    client.setNotificationHandler('notifications/tools/list_changed', () => void heard.push('tools'));
    client.setNotificationHandler(
      'notifications/resources/updated',
      ({ params }) => void heard.push(params.uri),
    );
    const subscription = await client.listen({ toolsListChanged: true, resourceSubscriptions: ['test://a'] });
    expect(subscription.honoredFilter).toStrictEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['test://a'],
    });
    expect(old.subscribed).toStrictEqual(['test://a']);
    freshStock.handler.notify.toolsChanged();
    await oldStock.servers[0]?.sendResourceUpdated({ uri: 'test://a' });
    await until(() => heard.length === 2);
    expect(heard.toSorted()).toStrictEqual(['test://a', 'tools']);
    await subscription.close();
  });
});

describe('sessions', () => {
  it('of another principal are not known', async () => {
    const { door } = stage();
    const client = await session(door);
    const { sessionId } = client.transport as unknown as { sessionId: string };
    const call = {
      caller: callerOf('user:mallory'),
      revision: '2025-11-25' as const,
      sessionId,
      signal: AbortSignal.timeout(1_000),
    };
    expect((await door.send({ ...call, message: { jsonrpc: '2.0', id: 1, method: 'ping' } })).status).toBe(
      404,
    );
    expect((await door.listen(call)).status).toBe(404);
    expect((await door.end(call)).status).toBe(404);
    await client.ping();
  });

  it('end at every server when they end', async () => {
    const { door, oldStock } = stage();
    const client = await session(door);
    expect(oldStock.transports.size).toBe(1);
    await (client.transport as unknown as { terminateSession(): Promise<void> }).terminateSession();
    await until(() => oldStock.transports.size === 0);
  });

  it('come back at a server that forgot its own', async () => {
    const { door, oldStock } = stage();
    const client = await session(door);
    for (const transport of oldStock.transports.values()) await transport.close();
    oldStock.transports.clear();
    expect(textOf(await client.callTool({ name: 'old__echo', arguments: { z: 1 } }))).toBe('{"z":1}');
  });
});
