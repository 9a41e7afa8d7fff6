/**
 * The servers of the Model Context Protocol door by way of the secure channel: the official library with its transport
 * exchanged, and a server that listens nowhere. Policy and records are those of the HTTPS face, denials included, in the words of the
 * first door; and what a policy takes away ends while it is heard.
 *
 * Budget: 40 s on two cores. One system for the whole file; its tests build on one another, in order.
 */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientTransport, serveRoute } from '@sallyport/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConformanceServer } from '../support/conformance-server/http.ts';
import { startCredentialShim } from '../support/credential-shim.ts';
import { startDoor, type Door } from '../support/door.ts';
import { eventually } from '../support/running-system.ts';
import { runStockClient } from '../support/stock-clients.ts';
import { temporaryFolder } from '../support/temporary-home.ts';

const START_MS = 60_000;
const TOOL = 'test_simple_text';

const stack = new AsyncDisposableStack();
let door: Door;

async function clientOf(as: string, route?: string): Promise<Client> {
  const channel = await door.channel(as);
  stack.defer(() => channel.close());
  const client = new Client({ name: 'over-the-channel', version: '1' });
  stack.defer(() => client.close());
  await client.connect(clientTransport(channel, route));
  return client;
}

const call = async (client: Client, name: string): Promise<unknown> =>
  client.callTool({ name, arguments: {} });

beforeAll(async () => {
  const server = stack.use(await startConformanceServer());
  door = stack.use(
    await startDoor({
      conformance: { kind: 'http', url: server.url },
      attached: { kind: 'channel', principal: 'user:admin' },
    }),
  );
  const channel = await door.channel('admin');
  stack.defer(() => channel.close());
  stack.use(
    await serveRoute(channel, 'attached', async (transport) => {
      const attached = new McpServer({ name: 'attached', version: '1' });
      attached.registerTool('whoami', {}, () => ({ content: [{ type: 'text', text: 'I listen nowhere.' }] }));
      await attached.connect(transport);
    }),
  );
  // May send to every destination, so that what stops it is the door's policy and no other.
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'looker.json');
  const permissions = ['initialize', 'ping', 'notifications.*', 'tools.list'].map((method) => ({
    action: `context.${method}`,
    resource: '*',
  }));
  await writeFile(file, JSON.stringify({ name: 'looker', permissions }));
  await door.done('policy', 'roles', 'put', '--file', file);
  await door.done('policy', 'bind', 'user:guest', 'looker');
  await door.done('policy', 'bind', 'user:guest', 'sender');
}, START_MS);
afterAll(() => stack.disposeAsync(), START_MS);

describe('user:alice', () => {
  test('calls a server of the door', async () => {
    const client = await clientOf('alice', 'conformance');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain(TOOL);
    expect(await call(client, TOOL)).toMatchObject({ content: [{ type: 'text' }] });
  });

  test('calls a server that is attached, which a client of the HTTPS face reaches too', async () => {
    const client = await clientOf('alice', 'attached');
    const said = { content: [{ type: 'text', text: 'I listen nowhere.' }] };
    expect(await call(client, 'whoami')).toMatchObject(said);
    const { access_token: token } = await door.token('attached');
    const steps = [{ kind: 'call', name: 'whoami', arguments: {} }] as const;
    const answers = await runStockClient('sdk-v1', [{ url: door.url('attached'), token, steps }], {
      caFile: door.caFile,
    });
    expect(answers).toEqual([[expect.objectContaining({ text: 'I listen nowhere.' })]]);
  });

  test('has all servers as one', async () => {
    const client = await clientOf('alice');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining([TOOL, 'whoami']));
  });
});

test('user:guest, who may send but not call, sees no tool and is told why a call is refused', async () => {
  const client = await clientOf('guest', 'conformance');
  expect((await client.listTools()).tools).toEqual([]);
  const refused = await call(client, TOOL);
  expect(refused).toMatchObject({ isError: true });
  expect(JSON.stringify(refused)).toMatch(/user:guest may not call the tool/u);
});

describe('the log', () => {
  const rowOf = async (principal: string, decision: string) => {
    const rows = await door.records(1, '--principal', principal, '--target', TOOL, '--decision', decision);
    return rows.at(-1) ?? {};
  };

  test('has a call over the channel as it has one over HTTPS', async () => {
    const overChannel = await rowOf('user:alice', 'allow');
    const { access_token: token } = await door.token('conformance');
    const steps = [{ kind: 'call', name: TOOL, arguments: {} }] as const;
    await runStockClient('sdk-v1', [{ url: door.url('conformance'), token, steps }], { caFile: door.caFile });
    const rows = await door.records(2, '--principal', 'user:alice', '--target', TOOL, '--decision', 'allow');
    const overHttps = rows.find(({ sessionId }) => sessionId !== overChannel['sessionId']) ?? {};
    const common = {
      ...{ action: 'context.tools.call', destination: 'conformance', target: TOOL, outcome: 'success' },
      ...{ principal: 'user:alice', tenant: 'default', decision: 'allow' },
    };
    expect(overChannel).toMatchObject(common);
    expect(overHttps).toMatchObject(common);
    expect(overHttps['argumentsDigest']).toBe(overChannel['argumentsDigest']);
    expect(Object.keys(overHttps)).toEqual(Object.keys(overChannel));
  });

  test('has a message of the first door in the same words, side by side', async () => {
    const { code } = await door.sallyport('send', 'echo', '{}', '--as', 'alice');
    expect(code).toBe(0);
    await door.records(1, '--principal', 'user:alice', '--destination', 'echo');
    const { access_token: token } = await door.token('conformance');
    const steps = [{ kind: 'call', name: TOOL, arguments: {} }] as const;
    await runStockClient('sdk-v1', [{ url: door.url('conformance'), token, steps }], { caFile: door.caFile });
    await door.records(3, '--principal', 'user:alice', '--target', TOOL);
    const rows = await door.done('audit', 'query', '--principal', 'user:alice');
    const message = rows.findLast(({ action }) => action === 'message.send') ?? {};
    const call = rows.findLast(({ target }) => target === TOOL) ?? {};
    const { target, argumentsDigest, ...same } = call;
    expect({ target, argumentsDigest }).toEqual({
      target: TOOL,
      argumentsDigest: expect.any(String) as string,
    });
    expect(Object.keys(same)).toEqual(Object.keys(message));
    const common = [
      'phase',
      'principal',
      'tenant',
      'decision',
      'outcome',
      'reason',
      'policyRevision',
    ] as const;
    for (const name of [...common, 'classUid', 'activity', 'producer'])
      expect(same[name], name).toEqual(message[name]);
    // Each belongs to a session that the same log saw begin.
    for (const { sessionId } of [message, call])
      expect(rows).toContainEqual(
        expect.objectContaining({ sessionId, action: 'session.authenticate', outcome: 'success' }),
      );
  });

  test('has what user:guest was refused', async () => {
    expect(await rowOf('user:guest', 'deny')).toMatchObject({
      ...{ action: 'context.tools.call', destination: 'conformance', target: TOOL },
      ...{ principal: 'user:guest', decision: 'deny', reason: 'no_role_grants' },
    });
  });
});

test('a client that listens hears nothing more within a second or so of a policy that takes it away', async () => {
  await using folder = await temporaryFolder();
  for (const [role, method] of [
    ['listener', 'listen'],
    ['changer', 'tools.call'],
  ] as const) {
    const file = join(folder.path, `${role}.json`);
    const permissions = [{ action: `context.${method}`, resource: '*' }];
    await writeFile(file, JSON.stringify({ name: role, permissions }));
    await door.done('policy', 'roles', 'put', '--file', file);
    await door.done('policy', 'bind', 'user:guest', role);
  }
  await using shim = await startCredentialShim({
    ...{ target: door.url('conformance'), ca: door.ca },
    issue: () => door.token('conformance', 'guest'),
  });
  const client = new Client({ name: 'listening', version: '1' });
  stack.defer(() => client.close());
  let heard = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (heard += 1));
  // When its stream ends it asks for another, and is refused.
  client.onerror = () => undefined;
  await eventually('the policy is there', async () =>
    client.connect(new StreamableHTTPClientTransport(new URL(shim.url))).then(
      () => true,
      () => undefined,
    ),
  );
  /** Has the server say something on the stream; true when that was heard. */
  const change = async (): Promise<boolean> => {
    const before = heard;
    expect(await call(client, 'test_trigger_tool_change')).not.toMatchObject({ isError: true });
    await sleep(200);
    return heard > before;
  };
  await eventually('a change is heard', async () => ((await change()) ? true : undefined));
  await door.done('policy', 'unbind', 'user:guest', 'listener');
  const since = performance.now();
  await eventually('no change is heard', async () => ((await change()) ? undefined : true));
  expect(performance.now() - since).toBeLessThan(5_000);
  const filter = ['--principal', 'user:guest', '--action', 'context.listen'];
  const ended = await door.records(1, ...filter, '--outcome', 'failure');
  expect(ended.at(-1)).toMatchObject({ decision: 'allow', destination: 'conformance' });
  const refused = await door.records(1, ...filter, '--decision', 'deny');
  expect(refused.at(-1)).toMatchObject({ reason: 'no_role_grants' });
  expect(await change()).toBe(false);
});
