/** Clients and servers that nobody here wrote, through the Model Context Protocol door, with policy and records as of any message. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConformanceServer } from '../support/conformance-server/http.ts';
import { startDoor, type Door } from '../support/door.ts';
import {
  runStockClient,
  STOCK_CLIENTS,
  type StockAnswer,
  type StockClientName,
  type StockStep,
} from '../support/stock-clients.ts';
import { temporaryFolder } from '../support/temporary-home.ts';

const require = createRequire(import.meta.url);
const CLIENT_TIMEOUT_MS = 60_000;

/** No cluster is reached: what is asked of the server is in this file. */
const KUBECONFIG = {
  ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'none' },
  clusters: [{ name: 'none', cluster: { server: 'https://127.0.0.1:1' } }],
  contexts: [{ name: 'none', context: { cluster: 'none', user: 'none' } }],
  users: [{ name: 'none', user: {} }],
};

const stack = new AsyncDisposableStack();
let door: Door;
let confined: string;
beforeAll(async () => {
  const folder = stack.use(await temporaryFolder());
  const conformance = stack.use(await startConformanceServer());
  confined = join(folder.path, 'confined');
  await mkdir(confined);
  await writeFile(join(confined, 'note.txt'), 'A note in the folder.');
  await writeFile(join(folder.path, 'secret.txt'), 'Outside of it.');
  const kubeconfig = join(folder.path, 'kubeconfig.json');
  await writeFile(kubeconfig, JSON.stringify(KUBECONFIG));
  const byStdio = (main: string, ...args: string[]) => ({
    ...{ kind: 'stdio', command: process.execPath },
    args: [require.resolve(main), ...args],
  });
  door = stack.use(
    await startDoor({
      everything: byStdio('@modelcontextprotocol/server-everything/dist/index.js', 'stdio'),
      files: byStdio('@modelcontextprotocol/server-filesystem/dist/index.js', confined),
      kubernetes: byStdio('kubernetes-mcp-server/bin/index.js', '--kubeconfig', kubeconfig),
      conformance: { kind: 'http', url: conformance.url },
    }),
  );
}, 90_000);
afterAll(() => stack.disposeAsync());

type Row = { readonly step: () => StockStep; readonly expected: Readonly<Record<string, unknown>> };
const contains = (text: string): unknown => expect.stringContaining(text);
const names = (...some: string[]) => ({ names: expect.arrayContaining(some) as unknown });
const call = (name: string, given: () => Readonly<Record<string, unknown>> = () => ({})) => ({
  step: (): StockStep => ({ kind: 'call', name, arguments: given() }),
});
const list = (kind: 'tools' | 'resources' | 'prompts') => ({ step: (): StockStep => ({ kind }) });
const FEATURES = 'demo://resource/static/document/features.md';

/** What each server has of tools, resources and prompts. */
const SERVERS: Readonly<Record<string, readonly Row[]>> = {
  everything: [
    { ...list('tools'), expected: names('echo', 'get-sum') },
    {
      ...call('get-sum', () => ({ a: 2, b: 3 })),
      expected: { isError: false, text: contains('5') },
    },
    { ...list('resources'), expected: names(FEATURES) },
    { step: () => ({ kind: 'read', uri: FEATURES }), expected: { text: contains('Features') } },
    { ...list('prompts'), expected: names('args-prompt') },
    {
      step: () => ({ kind: 'prompt', name: 'args-prompt', arguments: { city: 'Paris' } }),
      expected: { text: contains('Paris') },
    },
  ],
  files: [
    { ...list('tools'), expected: names('read_text_file', 'write_file') },
    {
      ...call('read_text_file', () => ({ path: join(confined, 'note.txt') })),
      expected: { isError: false, text: 'A note in the folder.' },
    },
    {
      ...call('read_text_file', () => ({ path: join(confined, '..', 'secret.txt') })),
      expected: { isError: true, text: contains('Access denied') },
    },
  ],
  kubernetes: [
    { ...list('tools'), expected: names('configuration_view', 'pods_list') },
    { ...call('configuration_view'), expected: { isError: false, text: contains('https://127.0.0.1:1') } },
    { ...list('prompts'), expected: names('cluster-health-check') },
  ],
  conformance: [
    { ...list('tools'), expected: names('test_simple_text') },
    { ...call('test_simple_text'), expected: { isError: false, text: contains('simple text response') } },
    { ...call('test_error_handling'), expected: { isError: true, text: contains('intentionally') } },
    {
      step: () => ({ kind: 'read', uri: 'test://static-text' }),
      expected: { text: contains('static text resource') },
    },
    {
      step: () => ({
        ...{ kind: 'prompt', name: 'test_prompt_with_arguments' },
        arguments: { arg1: 'one', arg2: 'two' },
      }),
      expected: { text: contains("arg1='one'") },
    },
  ],
};

type Job = { readonly route: string; readonly as?: string; readonly steps: readonly StockStep[] };

async function through(name: StockClientName, jobs: readonly Job[]): Promise<StockAnswer[][]> {
  const given = await Promise.all(
    jobs.map(async ({ route, as, steps }) => {
      const { access_token: token } = await door.token(route, as);
      return { url: door.url(route), token, steps };
    }),
  );
  return runStockClient(name, given, { caFile: door.caFile, timeoutMs: CLIENT_TIMEOUT_MS });
}

describe.each(STOCK_CLIENTS)('%s', (client) => {
  const answers = new Map<string, StockAnswer[]>();
  beforeAll(async () => {
    const jobs = Object.entries(SERVERS).map(([route, rows]) => ({
      route,
      steps: rows.map(({ step }) => step()),
    }));
    const all = await through(client, jobs);
    for (const [index, { route }] of jobs.entries()) answers.set(route, all[index] ?? []);
  }, CLIENT_TIMEOUT_MS);

  test.each(Object.keys(SERVERS))('with %s: lists, calls, reads, gets', (server) => {
    expect(answers.get(server)).toEqual(
      (SERVERS[server] ?? []).map(({ expected }) => expect.objectContaining(expected) as unknown),
    );
  });
});

describe('policy on an argument', () => {
  /** May call `echo` with messages that begin with "hello", and ask for the lists. */
  const GREETER = {
    name: 'greeter',
    permissions: [
      ...['initialize', 'ping', 'server.discover', 'notifications.*', 'tools.list'].map((method) => ({
        action: `context.${method}`,
        resource: '*',
      })),
      {
        action: 'context.tools.call',
        resource: 'everything.echo',
        when: [{ argument: '/message', starts_with: 'hello' }],
      },
    ],
  };
  const echo = (message: string): StockStep => ({ kind: 'call', name: 'echo', arguments: { message } });
  const steps: StockStep[] = [
    { kind: 'tools' },
    echo('hello there'),
    echo('goodbye'),
    { kind: 'call', name: 'get-sum', arguments: { a: 1, b: 1 } },
  ];

  beforeAll(async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'greeter.json');
    await writeFile(file, JSON.stringify(GREETER));
    await door.done('policy', 'roles', 'put', '--file', file);
    await door.done('policy', 'bind', 'user:alice', 'greeter');
    await door.done('policy', 'unbind', 'user:alice', 'context-user');
    // A guest may have a token: it is what policy says of each message that counts.
    await door.done('policy', 'roles', 'put', 'token-holder', '--allow', 'message.send=sallyport.token');
    await door.done('policy', 'bind', 'user:guest', 'token-holder');
  });
  afterAll(async () => {
    await door.done('policy', 'bind', 'user:alice', 'context-user');
    await door.done('policy', 'unbind', 'user:alice', 'greeter');
  });

  describe.each(STOCK_CLIENTS)('%s', (client) => {
    let alice: StockAnswer[] = [];
    let guest: StockAnswer[] = [];
    beforeAll(async () => {
      const jobs = [
        { route: 'everything', steps },
        { route: 'everything', steps, as: 'guest' },
      ];
      [alice = [], guest = []] = await through(client, jobs);
    }, CLIENT_TIMEOUT_MS);

    test('is allowed, is refused with a text that says why, and sees a shorter list', () => {
      const [tools, allowed, refused, other] = alice;
      expect(tools).toEqual({ names: ['echo'] });
      expect(allowed).toEqual({ isError: false, text: 'Echo: hello there' });
      // What the person sees says who may not what.
      const text = expect.stringMatching(/user:alice.*echo/su) as unknown;
      expect(refused).toMatchObject({ isError: true, text });
      expect(other).toMatchObject({ isError: true, text: contains('get-sum') });
    });

    test('shows user:guest nothing', () => {
      expect(guest.flatMap(({ names: seen = [] }) => seen)).toEqual([]);
      expect(guest.filter(({ failure, isError }) => failure === undefined && isError !== true)).toEqual([]);
      expect(guest).not.toEqual([]);
    });
  });
});

describe('the log', () => {
  test('has what user:guest was refused', async () => {
    const refused = await door.records(4, '--principal', 'user:guest', '--destination', 'everything');
    expect(new Set(refused.map(({ decision }) => decision))).toEqual(new Set(['deny']));
  });

  test('has both doors side by side, in one vocabulary', async () => {
    await door.done('send', 'echo', '{"hello":"log"}', '--as', 'alice');
    await through('sdk-v1', [
      { route: 'everything', steps: [{ kind: 'call', name: 'echo', arguments: { message: 'hello log' } }] },
    ]);
    const [message] = await door.records(1, '--principal', 'user:alice', '--destination', 'echo');
    const calls = await door.records(1, '--principal', 'user:alice', '--target', 'echo');
    const called = calls.findLast(({ decision }) => decision === 'allow');
    const common = {
      principal: 'user:alice',
      tenant: 'default',
      decision: 'allow',
      outcome: 'success',
      classUid: message?.['classUid'],
      policyRevision: expect.any(String) as unknown,
      sessionId: expect.stringMatching(/^[0-9a-f]{32}$/u) as unknown,
      correlation: expect.stringMatching(/^[0-9a-f]{32}$/u) as unknown,
    };
    expect(message).toMatchObject({ ...common, action: 'message.send', destination: 'echo' });
    expect(called).toMatchObject({
      ...common,
      action: 'context.tools.call',
      destination: 'everything',
      target: 'echo',
      argumentsDigest: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown,
    });
    // Nothing of one door that the other does not have, but what is inside a destination.
    const extra = new Set(['target', 'argumentsDigest']);
    expect(Object.keys(called ?? {}).filter((key) => !extra.has(key))).toEqual(Object.keys(message ?? {}));
  });

  test('has the digest of the arguments as anyone computes it, not the arguments', async () => {
    const [row] = await door.records(1, '--target', 'get-sum', '--decision', 'allow');
    expect(row?.['argumentsDigest']).toBe(createHash('sha256').update('{"a":2,"b":3}').digest('hex'));
    expect(JSON.stringify(await door.done('audit', 'query', '--event'))).not.toContain('hello there');
  });
});
