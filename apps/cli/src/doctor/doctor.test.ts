import { formatVerifierKey } from '@sallyport/audit-log';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { keyv1 } from '@sallyport/proto';
import { systemClock } from '@sallyport/service/clock';
import { createDevelopmentCa, issue } from '@sallyport/service/identity';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../test/support/command-line.ts';
import { fakeSystem, healthy, type Answers } from '../../test/support/fake-system.ts';
import { freePortBase } from '../../test/support/ports.ts';
import { temporaryHome, type TemporaryHome } from '../../test/support/temporary-home.ts';
import { createOutput } from '../output.ts';
import type { Home } from '../state/home.ts';
import { DEVELOPMENT_TRUST_DOMAIN, ensureIdentities, type EmbeddedIdentities } from '../state/identities.ts';
import { runChecks, type Line } from './check.ts';
import { localChecks, type LocalFacts } from './local-checks.ts';
import { runningChecks } from './running-checks.ts';

const DAY_MS = 24 * 60 * 60_000;
const silent = { write: () => undefined };

const otherKey = formatVerifierKey('log', new Uint8Array(32).fill(2));

type Setup = { readonly home: TemporaryHome; readonly identities: EmbeddedIdentities };

/** A state folder as the first start leaves it. */
async function soundHome(): Promise<Setup> {
  const home = await temporaryHome(await freePortBase());
  await chmod(home.folder, 0o700);
  const identities = await ensureIdentities(home, systemClock());
  await writeFile(home.rootKeyFile, new Uint8Array(32), { mode: 0o600 });
  await writeFile(home.logKeyFile, `${healthy().verifierKey}\n`);
  return { home, identities };
}

async function examine(home: Home, facts: Partial<LocalFacts> = {}): Promise<readonly Line[]> {
  const all = { home, as: 'admin', env: {}, nodeVersion: 'v24.21.0', nowMs: Date.now(), ...facts };
  const output = createOutput({ json: false, out: silent, err: silent });
  const context = { home, as: all.as, env: {}, output, signal: new AbortController().signal };
  return runChecks([...localChecks(all), ...runningChecks(context)]);
}

const levels = (lines: readonly Line[]): Record<string, string> =>
  Object.fromEntries(lines.map(({ name, level }) => [name, level]));

const LOCAL = ['node', 'state folder', 'trust root', 'identity', 'root key', 'configuration'];
const RUNNING = [
  'transport',
  'readiness',
  'access tokens',
  'key-service',
  'auth-service',
  'policy-service',
  'tools',
  'audit-service',
];

type Broken<Fixture> = readonly [line: string, what: string, fixture: Fixture, says: RegExp, next: RegExp];

const alien = async (home: Home, clock = systemClock(), days = 90): Promise<void> => {
  const ca = await createDevelopmentCa({ trustDomain: DEVELOPMENT_TRUST_DOMAIN, clock });
  const leaf = await issue({
    ca,
    clock,
    spiffeId: `spiffe://${DEVELOPMENT_TRUST_DOMAIN}/user/admin`,
    keyAlgorithm: 'Ed25519',
    usages: ['client'],
    lifetimeDays: days,
  });
  await writeFile(home.identityFiles('admin').cert, leaf.certPem);
  await writeFile(home.identityFiles('admin').key, leaf.keyPem, { mode: 0o600 });
};

const local: readonly Broken<(home: Home) => Promise<unknown>>[] = [
  ['state folder', 'missing', (home) => rm(home.folder, { recursive: true }), /no state folder/, /npm start/],
  ['state folder', 'open to others', (home) => chmod(home.folder, 0o755), /others can enter/, /chmod 700/],
  [
    'state folder',
    'a file',
    async (home) => {
      await rm(home.folder, { recursive: true });
      await writeFile(home.folder, '');
    },
    /not a folder/,
    /--home/,
  ],
  ['trust root', 'missing', (home) => rm(home.caFile), /no trust root/, /npm start/],
  [
    'trust root',
    'garbage',
    (home) => writeFile(home.caFile, 'garbage'),
    /not a CA certificate/,
    /Bring back/,
  ],
  [
    'trust root',
    'a leaf',
    async (home) => writeFile(home.caFile, await readFile(home.identityFiles('admin').cert)),
    /not a CA certificate/,
    /Bring back/,
  ],
  ['identity', 'without certificate', (home) => rm(home.identityFiles('admin').cert), /not complete/, /--as/],
  ['identity', 'without key', (home) => rm(home.identityFiles('admin').key), /not complete/, /--as/],
  [
    'identity',
    'with a key that others can read',
    (home) => chmod(home.identityFiles('admin').key, 0o640),
    /others can read/,
    /chmod 600/,
  ],
  [
    'identity',
    'with the key of another',
    async (home) =>
      writeFile(home.identityFiles('admin').key, await readFile(home.identityFiles('guest').key)),
    /does not belong/,
    /Remove .*admin\.pem/,
  ],
  ['identity', 'issued elsewhere', (home) => alien(home), /was not issued by/, /Remove .*admin\.pem/],
  ['root key', 'missing', (home) => rm(home.rootKeyFile), /no root key/, /npm start/],
  ['root key', 'open to others', (home) => chmod(home.rootKeyFile, 0o644), /others can read/, /chmod 600/],
  ['root key', 'of another length', (home) => writeFile(home.rootKeyFile, 'short'), /32 bytes/, /backup/],
  [
    'configuration',
    'with a mistake',
    (home) => writeFile(home.configFile, 'log:\n  level: loud'),
    /sallyport\.yaml:2: log\.level/,
    /--check-config/,
  ],
];

describe('without a running system', () => {
  test('hosts with private addresses that strangers may have asked are named', async () => {
    const { home } = await soundHome();
    await using _ = home;
    await writeFile(home.configFile, 'modelContext: { allowPrivateMetadataHosts: [apps.internal] }');
    const [line] = (await examine(home)).filter(({ name }) => name === 'configuration');
    expect(line).toMatchObject({
      level: 'notice',
      says: expect.stringContaining('apps.internal') as string,
      next: expect.stringContaining('allowPrivateMetadataHosts') as string,
    });
  });

  test('a sound set-up has one problem: that nothing runs', async () => {
    const { home } = await soundHome();
    await using _ = home;
    const lines = await examine(home);
    expect(lines.map(({ name }) => name)).toEqual([...LOCAL, 'running', ...RUNNING]);
    expect(levels(lines)).toEqual({
      ...Object.fromEntries(LOCAL.map((name) => [name, name === 'root key' ? 'notice' : 'ok'])),
      running: 'problem',
      ...Object.fromEntries(RUNNING.map((name) => [name, 'skipped'])),
    });
    expect(lines.find(({ name }) => name === 'running')).toMatchObject({
      says: `nothing listens on port ${home.ports.https}`,
      next: expect.stringContaining('npm start') as string,
    });
  });

  test.each(local)('%s %s', async (line, _, fixture, says, next) => {
    const { home } = await soundHome();
    await using disposing = home;
    await fixture(disposing);
    const found = (await examine(home)).find(({ name }) => name === line);
    expect(found).toMatchObject({ level: 'problem' });
    expect(found?.says).toMatch(says);
    expect(found !== undefined && 'next' in found ? found.next : '').toMatch(next);
  });

  const byFacts: readonly Broken<Partial<LocalFacts>>[] = [
    ['node', 'too old', { nodeVersion: 'v20.20.0' }, /v20\.20\.0 is too old/, /npm run setup/],
    ['node', 'without a version', { nodeVersion: 'none' }, /too old/, /npm run setup/],
    ['trust root', 'expired', { nowMs: Date.now() + 3651 * DAY_MS }, /ended at/, /begin anew/],
    ['trust root', 'of the future', { nowMs: Date.now() - DAY_MS }, /not valid yet/, /clock/],
    ['identity', 'expired', { nowMs: Date.now() + 91 * DAY_MS }, /ended at/, /Remove .*admin\.pem/],
    ['identity', 'unknown', { as: 'nobody' }, /"nobody" is not complete/, /--as/],
  ];
  test.each(byFacts)('%s %s', async (line, _, facts, says, next) => {
    const { home } = await soundHome();
    await using disposing = home;
    const found = (await examine(disposing, facts)).find(({ name }) => name === line);
    expect(found).toMatchObject({ level: 'problem' });
    expect(found?.says).toMatch(says);
    expect(found !== undefined && 'next' in found ? found.next : '').toMatch(next);
  });

  test('an identity that ends soon is a notice', async () => {
    const { home } = await soundHome();
    await using disposing = home;
    const lines = await examine(disposing, { nowMs: Date.now() + 80 * DAY_MS });
    expect(levels(lines)).toMatchObject({ identity: 'notice', 'trust root': 'ok' });
  });
});

describe('what listens on the port', () => {
  const foreign: readonly [string, () => Server][] = [
    ['says nothing TLS', () => createServer((socket) => socket.end('SSH-2.0-x\r\n'))],
    ['hangs up', () => createServer((socket) => socket.destroy())],
  ];
  test.each(foreign)('and %s is not taken for Sallyport', async (_, make) => {
    const { home } = await soundHome();
    await using disposing = home;
    const server = make();
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(home.ports.https, '127.0.0.1', resolve));
    const lines = await examine(disposing).finally(() => server.close());
    const found = lines.find(({ name }) => name === 'running');
    expect(found).toMatchObject({ level: 'problem', next: expect.stringMatching(/PORT_BASE/) as string });
    expect(found?.says).toMatch(/is not this Sallyport/);
    expect(levels(lines)['readiness']).toBe('skipped');
  });

  test('a Sallyport of another trust root is not taken for this one', async () => {
    const { home } = await soundHome();
    await using disposing = home;
    const other = await soundHome();
    await using _other = other.home;
    await using _system = await fakeSystem(disposing, other.identities, healthy());
    const found = (await examine(disposing)).find(({ name }) => name === 'running');
    expect(found?.says).toMatch(/is not this Sallyport/);
  });
});

const notices: readonly Broken<Partial<Answers>>[] = [
  [
    'readiness',
    'ready, with a server that cannot be started',
    {
      readiness: {
        status: 200,
        body: '{"ready":true,"checks":[{"name":"gateway: door","ok":true,"note":"files: it could not be started"}]}',
      },
    },
    /^every part is ready; gateway: door: files: it could not be started$/,
    /log/,
  ],
  ['tools', 'wait', { waitingTools: ['read', 'write'] }, /files read and 1 more$/, /tools list --changed/],
];

const running: readonly Broken<Partial<Answers>>[] = [
  [
    'readiness',
    'not ready, with the parts that are not',
    {
      readiness: {
        status: 503,
        body: '{"ready":false,"checks":[{"name":"gateway: policy","ok":false,"problem":"no policy bundle has come yet"},{"name":"x","ok":true}]}',
      },
    },
    /^gateway: policy: no policy bundle has come yet$/,
    /log/,
  ],
  [
    'readiness',
    'not ready, without a report',
    { readiness: { status: 502, body: '<html>' } },
    /answers 502/,
    /log/,
  ],
  [
    'access tokens',
    'are told of by something else',
    { metadata: { status: 200, body: '{}' } },
    /does not say which tokens/,
    /stands in between/,
  ],
  [
    'key-service',
    'has a key without an active version',
    {
      keys: [
        { name: 'auth/psk', state: keyv1.KeyState.DEACTIVATED },
        { name: 'x', state: keyv1.KeyState.ACTIVE },
      ],
    },
    /without an active version: auth\/psk$/,
    /keys rotate/,
  ],
  ['key-service', 'has no key at all', { keys: [] }, /no keys/, /log/],
  ['key-service', 'is another service', { keyServer: 'audit-service' }, /key-service/, /./],
  ['key-service', 'denies', { isDenied: true }, /denied|not allowed|may not/i, /./],
  ['auth-service', 'fails', { sessionsFail: true }, /./, /./],
  ['policy-service', 'has heard of no gateway', { instances: [] }, /no gateway/, /denies everything/],
  [
    'audit-service',
    'has findings',
    { findings: ['tile/0/000 differs'] },
    /tile\/0\/000 differs/,
    /audit verify/,
  ],
  [
    'audit-service',
    'is signed by another key',
    { verifierKey: otherKey },
    /signed by log\+[0-9a-f]{8}\+.*pinned/,
    /replaced/,
  ],
  [
    'transport',
    'takes TLS 1.2',
    { channelMinimum: 'TLSv1.2' },
    /TLS 1\.2 is accepted on port \d+ \(channel\)$/,
    /TLS 1\.3 only/,
  ],
];

describe('with a running system', () => {
  test('a healthy one has no problem', async () => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    await using _ = await fakeSystem(disposing, identities, healthy());
    const lines = await examine(disposing);
    expect(levels(lines)).toEqual({
      ...Object.fromEntries([...LOCAL, 'running', ...RUNNING].map((name) => [name, 'ok'])),
      'root key': 'notice',
    });
    const { code, out, err } = await runCommand([
      'doctor',
      '--home',
      home.folder,
      '--port-base',
      String(home.ports.https),
    ]);
    expect([code, err]).toEqual([0, 'Nothing is wrong.\n']);
    expect(out.match(/^ok {6}/gmu)).toHaveLength(lines.length - 1);
  });

  test.each(running)('%s %s', async (line, _, change, says, next) => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    await using _system = await fakeSystem(disposing, identities, { ...healthy(), ...change });
    const lines = await examine(disposing);
    const found = lines.find(({ name }) => name === line);
    expect(found).toMatchObject({ level: 'problem' });
    expect(found?.says).toMatch(says);
    expect(found !== undefined && 'next' in found ? found.next : '').toMatch(next);
    if (change.isDenied === true) return;
    const others = lines.filter(({ name, level }) => name !== line && level === 'problem');
    expect(others).toEqual([]);
  });

  test('a door that takes bearer tokens is a loud notice', async () => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    const metadata = { status: 200, body: '{"resource":"https://localhost/mcp"}' };
    await using _system = await fakeSystem(disposing, identities, { ...healthy(), metadata });
    const found = (await examine(disposing)).find(({ name }) => name === 'access tokens');
    expect(found?.level).toBe('notice');
    expect(found?.says).toMatch(/^BEARER TOKENS ARE TAKEN/);
  });

  test('a gateway without the door has no tokens to take', async () => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    const metadata = { status: 404, body: '' };
    await using _system = await fakeSystem(disposing, identities, { ...healthy(), metadata });
    expect(levels(await examine(disposing))['access tokens']).toBe('ok');
  });

  test('a gateway that is behind is a notice', async () => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    await using _ = await fakeSystem(disposing, identities, { ...healthy(), revision: 4n });
    expect((await examine(disposing)).find(({ name }) => name === 'policy-service')).toMatchObject({
      level: 'notice',
      says: 'revision 4 is in force, but g1 at 3',
    });
  });

  test.each(notices)('%s %s', async (line, _, answers, says, next) => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    await using _system = await fakeSystem(disposing, identities, { ...healthy(), ...answers });
    expect((await examine(disposing)).find(({ name }) => name === line)).toMatchObject({
      level: 'notice',
      says: expect.stringMatching(says) as string,
      next: expect.stringMatching(next) as string,
    });
  });

  test('a log key that was never pinned is a problem', async () => {
    const { home, identities } = await soundHome();
    await using disposing = home;
    await rm(home.logKeyFile);
    await using _ = await fakeSystem(disposing, identities, healthy());
    const found = (await examine(disposing)).find(({ name }) => name === 'audit-service');
    expect(found).toMatchObject({ level: 'problem', says: `${home.logKeyFile} is missing` });
  });
});

test('every line has a fixture that breaks it', () => {
  const broken = new Set([...local, ...running, ...notices].map(([line]) => line));
  const elsewhere = ['node', 'running'];
  expect(
    [...LOCAL, 'running', ...RUNNING].filter((name) => !broken.has(name) && !elsewhere.includes(name)),
  ).toEqual([]);
});
