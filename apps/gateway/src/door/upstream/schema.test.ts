import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, loadConfig, object } from '@sallyport/service/config';
import { serviceFiles, type ServiceFiles } from '@sallyport/service/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { upstreamProblems } from './config.ts';
import { serverConfigOf, serversSchema } from './schema.ts';

let files: ServiceFiles;
let folder: string;
beforeAll(async () => {
  files = await serviceFiles('gateway');
  ({ folder } = files);
  await files.write('secret', 'x');
  await files.write('two-lines', 'canary\ncanary\n');
  await writeFile(join(folder, 'not-a-program'), 'x', { mode: 0o600 });
  await mkdir(join(folder, 'work'));
});
afterAll(() => files[Symbol.asyncDispose]());

const load = (lines: readonly string[], name = 's') => {
  const text = ['servers:', `  ${name}:`, ...lines.map((line) => `    ${line}`)].join('\n');
  const { servers } = loadConfig(object({ servers: serversSchema }), {
    file: join(folder, 'gateway.yaml'),
    text,
  });
  const server = servers[name];
  if (server === undefined) throw new Error('no server');
  return serverConfigOf(server);
};

test('the shortest ones', () => {
  const http = load(['url: https://tools.example/mcp']);
  expect(http).toEqual({
    kind: 'http',
    url: 'https://tools.example/mcp',
    breaker: { minCalls: 10, failureRatio: 0.5, windowMs: 10_000, openMs: 5_000 },
  });
  const stdio = load(['kind: stdio', `command: ${process.execPath}`]);
  expect(stdio).toEqual({ kind: 'stdio', command: process.execPath, args: [], env: {}, envFiles: {} });
  const channel = load(['kind: channel', 'principal: workload:search']);
  expect(channel).toEqual({ kind: 'channel', principal: 'workload:search' });
  for (const server of [http, stdio, channel]) expect(upstreamProblems('s', server)).toEqual([]);
});

test('everything can be written', () => {
  expect(
    load([
      'kind: stdio',
      `command: ${process.execPath}`,
      'args: [server.js, ""]',
      'env: { MODE: fast }',
      'envFiles: { TOKEN: secret }',
      'cwd: work',
      'maxChildren: 2',
      'maxChildrenPerPrincipal: 1',
      'startTimeout: 5s',
      'requestIdle: 1m',
      'idleEnd: 1m',
      'lifetime: 1h',
      'maxMemory: 256MiB',
      'maxMessage: 1MiB',
      'maxExchange: 8MiB',
      'maxConcurrent: 8',
      'maxPerPrincipal: 4',
    ]),
  ).toEqual({
    ...{ kind: 'stdio', command: process.execPath, args: ['server.js', ''], env: { MODE: 'fast' } },
    ...{ envFiles: { TOKEN: join(folder, 'secret') }, cwd: join(folder, 'work') },
    ...{ maxChildren: 2, maxChildrenPerPrincipal: 1, startTimeoutMs: 5_000, requestIdleMs: 60_000 },
    ...{ idleEndMs: 60_000, lifetimeMs: 3_600_000, maxMemoryBytes: 256 * 1024 ** 2 },
    ...{ maxMessageBytes: 1024 ** 2, maxExchangeBytes: 8 * 1024 ** 2, maxConcurrent: 8, maxPerPrincipal: 4 },
  });
  expect(
    load([
      'url: https://tools.example/mcp',
      'egress: [10.0.0.0/8]',
      'credential: { prefix: "Bearer ", secretFile: secret }',
      'headersTimeout: 10m',
      'idleTimeout: 1m',
      'totalTimeout: 1h',
      'connectTimeout: 1s',
    ]),
  ).toMatchObject({
    ...{ kind: 'http', egress: ['10.0.0.0/8'], headersTimeoutMs: 600_000, idleTimeoutMs: 60_000 },
    ...{ totalTimeoutMs: 3_600_000, connectTimeoutMs: 1_000 },
    credential: { header: 'Authorization', prefix: 'Bearer ', secretFile: join(folder, 'secret') },
  });
});

const stdio = ['kind: stdio', `command: ${process.execPath}`];
const rows: readonly (readonly [name: string, key: string, lines: readonly string[]])[] = [
  ['no URL', 'url', ['kind: http']],
  ['a URL of a file', 'url', ['url: file:///etc/passwd']],
  [
    'a credential over plain HTTP',
    'credential',
    ['url: http://tools.example/mcp', 'credential: { secretFile: secret }'],
  ],
  [
    'a credential in a header of ours',
    'credential.header',
    ['url: https://t.example/mcp', 'credential: { header: Mcp-Session-Id, secretFile: secret }'],
  ],
  ['an egress entry that is none', 'egress', ['url: https://t.example/mcp', 'egress: ["a b"]']],
  ['a command that is not there', 'command', ['kind: stdio', 'command: no-such-program']],
  ['a relative command', 'command', ['kind: stdio', 'command: ./server']],
  ['a command line in place of a command', 'command', ['kind: stdio', 'command: node server.js']],
  ['a folder that is not there', 'cwd', [...stdio, 'cwd: nowhere']],
  ['a variable that a loader reads', 'env.LD_PRELOAD', [...stdio, 'env: { LD_PRELOAD: /tmp/x.so }']],
  ['a variable of ours', 'env.SALLYPORT_CHILD', [...stdio, 'env: { SALLYPORT_CHILD: x }']],
  ['a secret of two lines', 'envFiles.TOKEN', [...stdio, 'envFiles: { TOKEN: two-lines }']],
  ['a variable given twice', 'envFiles.A', [...stdio, 'env: { A: b }', 'envFiles: { A: secret }']],
  ['no children', 'maxChildren', [...stdio, 'maxChildren: 0']],
  ['a key that is none', 'shell', [...stdio, 'shell: true']],
  ['a principal that is none', 'principal', ['kind: channel', 'principal: alice']],
];
test.each(rows)('%s is refused where it is written: %s', (_, key, lines) => {
  try {
    load(lines);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.map((problem) => problem.key)).toEqual([`servers.s.${key}`]);
    expect(error.message).not.toContain('canary');
    return;
  }
  throw new Error('it was taken');
});

test('a file that is no program is refused', () => {
  const command = join(folder, 'not-a-program');
  expect(() => load(['kind: stdio', `command: ${command}`])).toThrow(/no program/);
});

test.each(['Search', 'a.b', '../x', '-a'])('%s is no name of a server', (name) => {
  expect(() => load(['url: https://tools.example/mcp'], JSON.stringify(name))).toThrow(ConfigError);
});
