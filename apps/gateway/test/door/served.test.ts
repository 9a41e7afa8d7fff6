/** Servers that attach over the channel: the stock library serves, the stock library asks, the gateway's layers in between. */
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import {
  encodeModelContext,
  MODEL_CONTEXT_TYPE,
  parseModelContextServed,
  type ModelContextServing,
} from '@sallyport/channel';
import { serveRoute, type ChannelError, type Serving } from '@sallyport/client';
import { freezePrincipal } from '@sallyport/policy-engine';
import { afterEach, describe, expect, test } from 'vitest';
import { channelUpstream, type ChannelUpstream } from '../../src/door/channel/upstream.ts';
import { messageTo } from '../support/routes.ts';
import { buildSessionServer, inside, TOOLS } from './support/stock-servers.ts';
import { callerOf, sessionClient, until } from './support/stock.ts';
import { stage as upstreamStage } from './upstream/support.ts';

const SERVER = 'workload:search';
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function stage(): Promise<ChannelUpstream> {
  const around = await upstreamStage();
  closing.push(async () => around[Symbol.asyncDispose]());
  const made = channelUpstream({ kind: 'channel', principal: SERVER }, around.ports);
  closing.push(async () => made.upstream[Symbol.asyncDispose]());
  return made;
}

/** A session of `principal`, as far as `serveRoute` sees one. */
function sessionOf({ destination }: ChannelUpstream, principal = SERVER) {
  return {
    closedBy: undefined as ChannelError | undefined,
    async request(_destination: string, body: Uint8Array, { contentType = '' } = {}) {
      const given = messageTo({ body, contentType });
      const who = freezePrincipal({ id: principal, tenant: 'default', method: 'certificate' });
      const result = await destination.send({ ...given, sender: { ...given.sender, principal: who } });
      if (result.kind === 'failure') throw new Error(result.detail);
      return { contentType: result.contentType, body: result.body, correlation: 'cc' };
    },
  };
}

async function serve(at: ChannelUpstream, state = inside()): Promise<Serving> {
  const build = buildSessionServer(state);
  const serving = await serveRoute(sessionOf(at), 'search', (transport) => build().connect(transport));
  closing.push(async () => serving[Symbol.asyncDispose]());
  return serving;
}

const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';

describe('a server attached over the channel', () => {
  test('answers, asks back and tells progress', async () => {
    const at = await stage();
    await serve(at);
    const client = await sessionClient(at.upstream, { capabilities: { elicitation: { form: {} } } });
    client.setRequestHandler(v1.ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    closing.push(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(TOOLS);
    expect(textOf(await client.callTool({ name: 'echo', arguments: { a: 1 } }))).toBe('{"a":1}');
    expect(textOf(await client.callTool({ name: 'ask' }))).toBe('accept Ada');
    const seen: number[] = [];
    await client.callTool({ name: 'slow' }, undefined, {
      onprogress: ({ progress }) => void seen.push(progress),
    });
    expect(seen).toEqual([1, 2, 3]);
  });

  test('has a server of its own for each session', async () => {
    const at = await stage();
    let servers = 0;
    const build = buildSessionServer(inside());
    const serving = await serveRoute(sessionOf(at), 'search', (transport) => {
      servers += 1;
      return build().connect(transport);
    });
    closing.push(async () => serving[Symbol.asyncDispose]());
    for (const name of ['user:alice', 'user:bob']) {
      const client = await sessionClient(at.upstream, { caller: callerOf(name) });
      closing.push(() => client.close());
      await client.ping();
    }
    expect(servers).toBe(2);
  });

  test("another principal's session is unknown", async () => {
    const at = await stage();
    await serve(at);
    const opened = await at.upstream.send({
      caller: callerOf('user:alice'),
      revision: '2025-11-25',
      message: {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
      },
      signal: AbortSignal.timeout(5_000),
    });
    const { sessionId = '' } = opened;
    const ping = { jsonrpc: '2.0', id: 2, method: 'ping' } as const;
    const common = {
      revision: '2025-11-25',
      sessionId,
      message: ping,
      signal: AbortSignal.timeout(5_000),
    } as const;
    expect((await at.upstream.send({ ...common, caller: callerOf('user:alice') })).status).toBe(200);
    expect((await at.upstream.send({ ...common, caller: callerOf('user:bob') })).status).toBe(404);
  });

  test('is unreachable, with nothing done, while none is attached', async () => {
    const at = await stage();
    await expect(sessionClient(at.upstream)).rejects.toThrow(/attached/u);
    expect(at.upstream.trouble()).toMatch(/attached/u);
    await serve(at);
    expect(at.upstream.trouble()).toBeUndefined();
  });

  test('that leaves ends what is under way, and its sessions', async () => {
    const at = await stage();
    const state = inside();
    const serving = await serve(at, state);
    const client = await sessionClient(at.upstream);
    closing.push(() => client.close());
    const call = client.callTool({ name: 'hang' });
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    await serving[Symbol.asyncDispose]();
    await expect(call).rejects.toThrow(/attached/u);
    expect(await serving.ended).toBeUndefined();
  });

  test('takes the place of the one before, which attaches no session of its own again', async () => {
    const at = await stage();
    await serve(at);
    await serve(at);
    const client = await sessionClient(at.upstream);
    closing.push(() => client.close());
    await client.ping();
  });
});

describe('what may not be attached', () => {
  const say = async (at: ChannelUpstream, head: ModelContextServing, lines: string[] = [], who = SERVER) => {
    const { body } = await sessionOf(at, who).request('mcp-serve/search', encodeModelContext(head, lines), {
      contentType: MODEL_CONTEXT_TYPE,
    });
    return parseModelContextServed(body)?.head;
  };

  test('another principal is refused, whatever it asks', async () => {
    const at = await stage();
    expect(await say(at, { do: 'attach' }, [], 'user:alice')).toEqual({ status: 403 });
    const { attachment = '' } = (await say(at, { do: 'attach' })) ?? {};
    expect(await say(at, { do: 'receive', attachment }, [], 'user:alice')).toEqual({ status: 403 });
  });

  test('an attachment that was replaced is gone', async () => {
    const at = await stage();
    const { attachment = '' } = (await say(at, { do: 'attach' })) ?? {};
    await say(at, { do: 'attach' });
    expect(await say(at, { do: 'receive', attachment })).toEqual({ status: 404 });
    expect(await say(at, { do: 'deliver', attachment }, ['{"session":"s","isOver":true}'])).toEqual({
      status: 404,
    });
  });

  test.each<[string, ModelContextServing, string[]]>([
    ['a delivery of nothing', { do: 'deliver', attachment: 'x' }, []],
    ['lines where none belong', { do: 'attach' }, ['{"session":"s","isOver":true}']],
  ])('%s is refused', async (_, head, lines) => {
    expect(await say(await stage(), head, lines)).toEqual({ status: 400 });
  });

  test('a line that is none is refused; one of a session that is not there is left out', async () => {
    const at = await stage();
    const { attachment = '' } = (await say(at, { do: 'attach' })) ?? {};
    expect(await say(at, { do: 'deliver', attachment }, ['{}'])).toEqual({ status: 400 });
    const line = '{"session":"s","message":{"jsonrpc":"2.0","id":1,"result":{}}}';
    expect(await say(at, { do: 'deliver', attachment }, [line])).toEqual({ status: 202 });
  });
});
