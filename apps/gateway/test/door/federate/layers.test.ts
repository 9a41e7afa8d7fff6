/** All layers as the door has them: stock server, translated, guarded, federated, stock client. Handles are sealed for real. */
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import { eraOf, type Message } from '@sallyport/model-context';
import { afterEach, describe, expect, it } from 'vitest';
import { federated } from '../../../src/door/federate/federated.ts';
import { sealedHandles } from '../../../src/door/handles.ts';
import type { ModelContextServer } from '../../../src/door/ports.ts';
import { sessionOver } from '../../../src/door/translate/session-over.ts';
import { statelessOver } from '../../../src/door/translate/stateless-over.ts';
import { fakeKeys, rig } from '../support/guarded.ts';
import { fakeUpstream } from '../support/upstream.ts';
import { buildSessionServer, inside, statelessServer } from '../support/stock-servers.ts';
import { sessionClient, sessionServer, statelessClient, translatePorts, until } from '../support/stock.ts';

const EVERYTHING = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).reverse()) await dispose();
});

const bothEras = (stateless: ModelContextServer, session: ModelContextServer): ModelContextServer => {
  const of = (call: Parameters<ModelContextServer['end']>[0]): ModelContextServer =>
    eraOf(call.revision) === 'stateless' ? stateless : session;
  return {
    send: (call) => of(call).send(call),
    listen: (call) => of(call).listen(call),
    end: (call) => of(call).end(call),
  };
};

const stage = () => {
  const [old, fresh] = [inside(), inside()];
  const oldStock = sessionServer(buildSessionServer(old));
  const freshStock = statelessServer(fresh);
  const ports = translatePorts();
  const oldStateless = statelessOver(oldStock.server, ports);
  const freshSession = sessionOver(freshStock.server, ports);
  const { now, schedule, randomBytes, implementation } = ports;
  const handles = sealedHandles({ keys: fakeKeys().keys, now: () => 1_000_000, monotonic: now });
  const guard = (route: string, upstream: ModelContextServer): ModelContextServer =>
    rig({ route, upstream: Object.assign(fakeUpstream(), upstream), handles }).server;
  const door = federated(
    new Map([
      ['old', bothEras(guard('old', oldStateless), guard('old', oldStock.server))],
      ['new', bothEras(guard('new', freshStock.server), guard('new', freshSession))],
    ]),
    { now, schedule, randomBytes, implementation, handles, leftOut: () => undefined },
  );
  disposals.push(async () => {
    await door[Symbol.asyncDispose]();
    await oldStateless[Symbol.asyncDispose]();
    await freshSession[Symbol.asyncDispose]();
  });
  return { door, old, fresh };
};
const textOf = (result: unknown): string =>
  (result as { content: { text: string }[] }).content[0]?.text ?? '';
const ADA = { action: 'accept' as const, content: { name: 'Ada' } };
const PARIS = { role: 'assistant' as const, model: 'm', content: { type: 'text' as const, text: 'Paris' } };

const connect = async (era: 'session' | 'stateless', seen: Message[] = []) => {
  const staged = stage();
  const options = { capabilities: EVERYTHING, seen };
  if (era === 'session') {
    const client = await sessionClient(staged.door, options);
    client.setRequestHandler(v1.ElicitRequestSchema, () => ADA);
    client.setRequestHandler(v1.CreateMessageRequestSchema, () => PARIS);
    disposals.push(async () => client.close());
    const cancel = async (name: string, signal: AbortSignal) =>
      client.callTool({ name }, undefined, { signal });
    return { ...staged, client, cancel };
  }
  const client = await statelessClient(staged.door, options, (one) => {
    one.setRequestHandler('elicitation/create', () => ADA);
    one.setRequestHandler('sampling/createMessage', () => PARIS);
  });
  disposals.push(async () => client.close());
  const cancel = async (name: string, signal: AbortSignal) => client.callTool({ name }, { signal });
  return { ...staged, client, cancel };
};

describe.each(['session', 'stateless'] as const)('a %s client through all layers', (era) => {
  it.each([
    ['old__echo', '{"a":1}'],
    ['new__echo', '{"a":1}'],
    ['old__twice', 'Ada Ada'],
    ['new__twice', 'Ada Ada'],
    ['old__both', 'Ada {"type":"text","text":"Paris"}'],
    ['new__both', 'Ada {"type":"text","text":"Paris"}'],
  ])('calls %s', async (name, expected) => {
    const { client } = await connect(era);
    await client.listTools();
    expect(textOf(await client.callTool({ name, arguments: { a: 1 } }))).toBe(expected);
  });

  it.each(['old', 'new'] as const)('cancels a call at %s', async (route) => {
    const { cancel, old, fresh } = await connect(era);
    const state = route === 'old' ? old : fresh;
    const leaving = new AbortController();
    const call = cancel(`${route}__hang`, leaving.signal);
    call.catch(() => undefined);
    await until(() => state.calls === 1);
    leaving.abort();
    await expect(call).rejects.toThrow(/abort/i);
    await until(() => state.cancelled === 1);
  });
});
