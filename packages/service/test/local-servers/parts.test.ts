import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../src/clock/index.ts';
import {
  findServers,
  isReachableForPostgres,
  serverTls,
  startNats,
  startPostgres,
  startRedis,
  type ServerTls,
} from '../../src/local-servers/index.ts';
import { serverSuite } from '../../src/testing/servers.ts';

const password = '0123456789-abcdef';
const noTls: ServerTls = { caPem: '', caFile: 'ca', certFile: 'cert', keyFile: 'key' };
let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sallyport-parts-'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe('serverTls', () => {
  const day = 24 * 60 * 60 * 1000;

  test('makes a leaf for this machine under an authority whose key is nowhere', async () => {
    const tls = await serverTls(base);
    const leaf = new X509Certificate(readFileSync(tls.certFile, 'utf8'));
    expect(leaf.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1');
    expect(leaf.verify(new X509Certificate(tls.caPem).publicKey)).toBe(true);
    expect(readdirSync(base).sort()).toEqual(['ca.pem', 'server.key', 'server.pem']);
    expect(statSync(tls.keyFile).mode & 0o777).toBe(0o600);
  });

  test('is the same next time, and another when it is about to end or is damaged', async () => {
    const clock = manualClock();
    const first = await serverTls(base, clock);
    clock.advance(300 * day);
    expect((await serverTls(base, clock)).caPem).toBe(first.caPem);
    clock.advance(50 * day);
    const second = await serverTls(base, clock);
    expect(second.caPem).not.toBe(first.caPem);
    writeFileSync(second.certFile, 'no certificate');
    expect((await serverTls(base, clock)).caPem).not.toBe(second.caPem);
  });
});

test('findServers finds nothing in a folder of programs that do not run, and says versions of those that do', async () => {
  for (const name of ['redis-server', 'nats-server', 'postgres']) {
    writeFileSync(join(base, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  }
  const before = await findServers('');
  expect(await findServers(base)).toEqual(before);
  writeFileSync(join(base, 'redis-server'), '#!/bin/sh\necho v=99.1.2\n', { mode: 0o755 });
  expect((await findServers(base)).redis).toEqual({ path: join(base, 'redis-server'), version: '99.1.2' });
});

const all = await serverSuite('redis', 'nats', 'postgres');
describe.skipIf(all.skip)(all.title('what cannot be written into a configuration is refused'), () => {
  const user = { name: 'app', password };
  const rows: readonly [string, () => Promise<unknown>][] = [
    ['a short password', () => redisWith({ ...user, password: 'short' })],
    ['a password with a line break', () => redisWith({ ...user, password: `${password}\nrequirepass x` })],
    ['a user name with a space', () => redisWith({ ...user, name: 'a b' })],
    ['rules of two lines', () => redisWith({ ...user, acl: '+ping\nuser x on nopass +@all' })],
    ['a subject with quotes', () => natsWith(['a"] }'])],
    ['a subject with a space', () => natsWith(['a b'])],
  ];
  const redisWith = (redisUser: { name: string; password: string; acl?: string }) =>
    startRedis({ folder: base, tls: noTls, users: [{ acl: '+ping', ...redisUser }] });
  const natsWith = (publish: readonly string[]) =>
    startNats({
      folder: base,
      tls: noTls,
      users: [{ ...user, publish, subscribe: [] }],
      jetStream: { maxFileBytes: 1 },
    });
  test.each(rows)('%s', async (_, start) => {
    await expect(start()).rejects.toThrow(TypeError);
  });

  test('a folder with quotes', async () => {
    const started = startRedis({ folder: join(base, 'a"b'), tls: noTls, users: [] });
    await expect(started).rejects.toMatchObject({ kind: 'unusable_folder' });
  });
});

const postgres = await serverSuite('postgres');
describe.skipIf(postgres.skip)(postgres.title('the folder of postgres'), () => {
  const isRoot = process.getuid?.() === 0;
  test(isRoot ? 'is anywhere that its user reaches' : 'is anywhere, since it runs as this user', async () => {
    expect(await isReachableForPostgres(join(tmpdir(), 'not-there-yet', 'deeper'))).toBe(true);
  });

  if (!isRoot) return;
  test('a folder that its user cannot reach is refused, with the one that closes it and what to do', async () => {
    const closed = join(base, 'closed');
    chmodSync(base, 0o711);
    mkdirSync(closed, { mode: 0o700 });
    const folder = join(closed, 'postgres');
    expect(await isReachableForPostgres(folder)).toBe(false);
    const started = startPostgres({ folder, tls: noTls, superuserPassword: password });
    await expect(started).rejects.toMatchObject({
      kind: 'unusable_folder',
      message: expect.stringContaining(`chmod o+x ${closed}`) as string,
    });
    chmodSync(closed, 0o711);
    expect(await isReachableForPostgres(join(folder, 'deeper'))).toBe(true);
  });
});

describe.skipIf(all.skip)(all.title('parents'), () => {
  if (process.platform !== 'linux') return; // elsewhere only an orderly end of the parent ends them

  test('servers and what they started do not outlive a parent that was killed', async () => {
    chmodSync(base, 0o711);
    const holder = fileURLToPath(new URL('./holder.ts', import.meta.url));
    const parent = spawn(process.execPath, [holder, base], { stdio: ['ignore', 'pipe', 'inherit'] });
    let pids: number[] = [];
    for await (const line of createInterface({ input: parent.stdout })) {
      pids = line.split(' ').map(Number);
      break;
    }
    expect(pids.map(commandLine).map((text) => /[a-z]+-server|postgres/.exec(text)?.[0])).toEqual([
      'redis-server',
      'nats-server',
      'postgres',
    ]);
    const family = pids.flatMap((pid) => [pid, ...childrenOf(pid)]);
    expect(family.length).toBeGreaterThan(6); // Postgres is several processes
    parent.kill('SIGKILL');
    // Whoever inherits the dead may take a moment to bury them: a zombie has no command line.
    await expect
      .poll(() => family.map(commandLine).filter((text) => text !== ''), { timeout: 10_000 })
      .toEqual([]);
  });
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .map(Number)
    .filter((child) => child > 0);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
