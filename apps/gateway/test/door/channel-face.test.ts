/** Stock clients of either era whose HTTP transport is changed for ours: the channel's messages in between are real, its seals are not. */
import { Client as SessionClient } from '@modelcontextprotocol/sdk/client/index.js';
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import { Client as StatelessClient } from '@modelcontextprotocol/client';
import {
  encodeModelContext,
  MODEL_CONTEXT_TYPE,
  parseModelContextAnswer,
  type ModelContextCall,
} from '@sallyport/channel';
import { ChannelError, clientTransport, type ModelContextTransport } from '@sallyport/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createChannelFace, type ChannelFace } from '../../src/door/channel/face.ts';
import { UpstreamFailure, type ModelContextServer } from '../../src/door/ports.ts';
import { messageTo } from '../support/routes.ts';
import { buildSessionServer, inside, statelessServer, TOOLS } from './support/stock-servers.ts';
import { sessionServer, until } from './support/stock.ts';

const WAITS = { maxPerSession: 8, firstWaitMs: 20, waitMs: 200, keepMs: 1_000, maxPieceBytes: 64 * 1024 };
const EVERYTHING = { elicitation: { form: {} }, sampling: {}, roots: {} };

let face: ChannelFace;
const closing: (() => Promise<void>)[] = [];
beforeEach(() => {
  face = createChannelFace(WAITS);
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  face[Symbol.dispose]();
});

/** A session of the channel, as far as a transport sees one. */
function channelTo(server: ModelContextServer, sessionId = 'aa') {
  const route = face.route(server);
  const channel = {
    closedBy: undefined as ChannelError | undefined,
    async request(_destination: string, body: Uint8Array, { contentType = '' } = {}) {
      const evidence = { ...messageTo().evidence, sessionId };
      const result = await route.send(messageTo({ body, contentType, evidence }));
      if (result.kind === 'failure')
        throw new ChannelError('refusal', 'upstream_failed', result.detail, {
          mayHaveTakenEffect: !result.isWithoutEffect,
        });
      return { contentType: result.contentType, body: result.body, correlation: 'cc' };
    },
  };
  return channel;
}

async function sessionClientOver(server: ModelContextServer): Promise<SessionClient> {
  const client = new SessionClient({ name: 'stock', version: '1' }, { capabilities: EVERYTHING });
  client.setRequestHandler(v1.ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
  client.setRequestHandler(v1.CreateMessageRequestSchema, () => ({
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'Paris' },
  }));
  client.setRequestHandler(v1.ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///r' }] }));
  await client.connect(clientTransport(channelTo(server), 'stock'));
  closing.push(() => client.close());
  return client;
}

const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';

describe('a session client (library v1) over the channel', () => {
  test.each([
    ['echo', '{"a":1}'],
    ['ask', 'accept Ada'],
    ['twice', 'Ada Ada'],
    ['sample', '{"type":"text","text":"Paris"}'],
    ['roots', 'file:///r'],
    ['both', 'Ada {"type":"text","text":"Paris"}'],
  ])('calls %s', async (name, expected) => {
    const client = await sessionClientOver(sessionServer(buildSessionServer(inside())).server);
    expect(textOf(await client.callTool({ name, arguments: { a: 1 } }))).toBe(expected);
  });

  test('is asked on the stream of its session too', async () => {
    const client = await sessionClientOver(sessionServer(buildSessionServer(inside(), true)).server);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(textOf(await client.callTool({ name: 'ask' }))).toBe('accept Ada');
  });

  test('lists, reads and gets progress while the call runs', async () => {
    const client = await sessionClientOver(sessionServer(buildSessionServer(inside())).server);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(TOOLS);
    expect((await client.readResource({ uri: 'test://a' })).contents[0]).toMatchObject({ text: 'A' });
    const seen: number[] = [];
    await client.callTool({ name: 'slow' }, undefined, {
      onprogress: ({ progress }) => void seen.push(progress),
    });
    expect(seen).toEqual([1, 2, 3]);
  });

  test('cancels', async () => {
    const state = inside();
    const client = await sessionClientOver(sessionServer(buildSessionServer(state)).server);
    const leaving = new AbortController();
    const call = client.callTool({ name: 'hang' }, undefined, { signal: leaving.signal });
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/iu);
    await until(() => state.cancelled === 1);
  });

  test('ends its session at the server when it is closed', async () => {
    const stock = sessionServer(buildSessionServer(inside()));
    const client = await sessionClientOver(stock.server);
    expect(stock.transports.size).toBe(1);
    await client.close();
    await until(() => stock.transports.size === 0);
  });
});

describe('a stateless client (library v2) over the channel', () => {
  async function statelessClientOver(server: ModelContextServer): Promise<StatelessClient> {
    const client = new StatelessClient(
      { name: 'stock-v2', version: '2' },
      { capabilities: EVERYTHING, versionNegotiation: { mode: { pin: '2026-07-28' } } },
    );
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }));
    await client.connect(clientTransport(channelTo(server), 'stock'));
    closing.push(() => client.close());
    return client;
  }

  test.each([
    ['echo', '{"a":1}'],
    ['ask', 'accept Ada'],
  ])('calls %s', async (name, expected) => {
    const client = await statelessClientOver(statelessServer(inside()).server);
    expect(textOf(await client.callTool({ name, arguments: { a: 1 } }))).toBe(expected);
  });

  test('cancels by leaving the stream', async () => {
    const state = inside();
    const client = await statelessClientOver(statelessServer(state).server);
    const leaving = new AbortController();
    const call = client.callTool({ name: 'hang' }, { signal: leaving.signal });
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/iu);
    await until(() => state.cancelled === 1);
  });
});

describe('what a peer of the channel may send', () => {
  const failing = (failure: UpstreamFailure): ModelContextServer => {
    const fail = () => Promise.reject(failure);
    return { send: fail, listen: fail, end: fail };
  };
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const say = async (server: ModelContextServer, head: ModelContextCall, ...lines: string[]) => {
    const result = await face
      .route(server)
      .send(messageTo({ contentType: MODEL_CONTEXT_TYPE, body: encodeModelContext(head, lines) }));
    if (result.kind === 'failure') return result;
    const answer = parseModelContextAnswer(result.body);
    return {
      status: answer?.head.status,
      said: answer?.lines.map((line) => JSON.parse(new TextDecoder().decode(line)) as unknown),
    };
  };
  const untouched = failing(new UpstreamFailure('malformed', 'it was reached'));

  test.each<[string, ModelContextCall, string[], number]>([
    ['no message', { do: 'send' }, [], 400],
    ['two messages', { do: 'send' }, [ping, ping], 400],
    ['a message where none belongs', { do: 'listen', revision: '2025-11-25', session: 's' }, [ping], 400],
    ['a batch', { do: 'send' }, [`[${ping}]`], 400],
    ['a duplicate key', { do: 'send' }, ['{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}'], 400],
    ['a revision nobody speaks', { do: 'send', revision: '1999-01-01' }, [ping], 400],
    ['a stream that is not there', { do: 'continue', stream: 'x' }, [], 404],
    ['an end of a stream that is not there', { do: 'cancel', stream: 'x' }, [], 404],
  ])('%s does not reach the server', async (_, head, lines, status) => {
    expect(await say(untouched, head, ...lines)).toMatchObject({ status });
  });

  test('bytes that are no call are refused', async () => {
    const result = await face
      .route(untouched)
      .send(messageTo({ contentType: MODEL_CONTEXT_TYPE, body: new TextEncoder().encode('{}') }));
    expect(result).toMatchObject({ kind: 'response', status: '400' });
  });

  test('another content type is refused', async () => {
    const result = await face
      .route(untouched)
      .send(messageTo({ contentType: 'application/json', body: encodeModelContext({ do: 'send' }, [ping]) }));
    expect(result).toMatchObject({ kind: 'response', status: '400' });
  });

  test('a server that was not reached is told as an error that may be tried again', async () => {
    const server = failing(new UpstreamFailure('unreachable', 'nobody there'));
    expect(await say(server, { do: 'send' }, ping)).toMatchObject({
      status: 503,
      said: [{ id: 1, error: { code: -32_001, message: 'nobody there' } }],
    });
  });

  test('what may have taken effect is a failure of the message, not an answer', async () => {
    const server = failing(new UpstreamFailure('broke_off', 'ended in the middle'));
    expect(await say(server, { do: 'send' }, ping)).toMatchObject({
      kind: 'failure',
      isWithoutEffect: false,
      status: 'broke_off',
    });
  });
});

// The official interfaces of both versions take what we give, with nothing cast: checked by the compiler.
type V1 = Parameters<SessionClient['connect']>[0];
type V2 = Parameters<StatelessClient['connect']>[0];
const isTransport = (transport: ModelContextTransport): readonly [V1, V2] => [transport, transport];
void isTransport;
