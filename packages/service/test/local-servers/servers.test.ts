import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  startNats,
  startPostgres,
  startRedis,
  startSentinel,
  redisAcl,
  type LocalServer,
  type ServerKind,
} from '../../src/local-servers/index.ts';
import { serverFolders, serverSuite, type ServerFolders } from '../../src/testing/servers.ts';

const password = 'canary-0123456789-abcdef';
let folders: ServerFolders;
beforeAll(async () => {
  folders = await serverFolders();
});
afterAll(async () => folders[Symbol.asyncDispose]());

type Start = (folder: string, port?: number) => Promise<LocalServer>;
const at = (port: number | undefined): { port?: number } => (port === undefined ? {} : { port });
const kinds: readonly [string, ServerKind, Start][] = [
  [
    'redis',
    'redis',
    (folder, port) =>
      startRedis({
        ...at(port),
        folder,
        tls: folders.tls,
        appendOnly: true,
        users: [{ name: 'app', password, acl: '~* +@all' }],
      }),
  ],
  [
    'a redis cluster node',
    'redis',
    (folder, port) => startRedis({ ...at(port), folder, tls: folders.tls, users: [], cluster: true }),
  ],
  [
    'sentinel',
    'redis',
    (folder, port) =>
      startSentinel({
        ...at(port),
        folder,
        tls: folders.tls,
        users: [],
        peer: { name: 'peer', password },
        master: { name: 'main', port: 1, user: 'sentinel', password },
        quorum: 1,
        downAfterMs: 500,
      }),
  ],
  [
    'nats',
    'nats',
    (folder, port) =>
      startNats({
        ...at(port),
        folder,
        tls: folders.tls,
        users: [{ name: 'app', password, publish: ['a.>'], subscribe: [] }],
        jetStream: { maxFileBytes: 1 << 20 },
      }),
  ],
  [
    'postgres',
    'postgres',
    (folder, port) => startPostgres({ ...at(port), folder, tls: folders.tls, superuserPassword: password }),
  ],
];

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

for (const [name, kind, start] of kinds) {
  const suite = await serverSuite(kind);
  describe.skipIf(suite.skip)(suite.title(name), () => {
    let server: LocalServer;
    beforeAll(async () => {
      server = await start(await folders.folder());
    });
    afterAll(async () => server.stop());

    // The kernel's own account, where there is one.
    const onLinux = existsSync('/proc/self/cmdline') ? test : () => undefined;

    onLinux('runs without a password on its command line or in its environment', () => {
      const { pid } = server;
      const seen =
        readFileSync(`/proc/${pid}/cmdline`, 'utf8') + readFileSync(`/proc/${pid}/environ`, 'utf8');
      expect(seen).not.toContain(password);
      expect(readFileSync(server.logFile, 'utf8')).not.toContain(password);
    });

    test('leaves nothing that other users may read', () => {
      expect(statSync(server.folder).mode & 0o007).toBe(0);
      for (const file of readdirSync(server.folder)) {
        expect(statSync(join(server.folder, file)).mode & 0o002, file).toBe(0);
      }
    });

    onLinux('listens on the loopback address only', () => {
      const hex = server.port.toString(16).toUpperCase().padStart(4, '0');
      const listening = readFileSync('/proc/net/tcp', 'utf8')
        .split('\n')
        .filter((line) => line.includes(`:${hex} 00000000:0000 0A`));
      expect(listening.map((line) => line.trim().split(/\s+/)[1])).toEqual([`0100007F:${hex}`]);
      const onIpv6 = existsSync('/proc/net/tcp6') ? readFileSync('/proc/net/tcp6', 'utf8') : '';
      expect(onIpv6).not.toContain(`:${hex} 0000000000000000`);
    });

    test('starts again on the same port after being killed, stopped while paused, and emptied', async () => {
      const { port } = server;
      const pids = [server.pid];
      const killed = server.exited;
      server.signal('SIGKILL');
      expect(await killed).toMatchObject({ signal: 'SIGKILL' });
      await server.restart();
      pids.push(server.pid);
      server.signal('SIGSTOP');
      await server.restart({ empty: true });
      pids.push(server.pid);
      expect(server.port).toBe(port);
      expect(new Set(pids).size).toBe(3);
      expect(pids.map(isRunning)).toEqual([false, false, true]);
    });

    test('a second one on its port says why it ended', async () => {
      const second = start(await folders.folder(), server.port);
      await expect(second).rejects.toThrow(/ended[^]*(in use|bind)/i);
    });

    test('stops in order, and stopping again does nothing', async () => {
      const { pid, exited } = server;
      await server.stop();
      expect(await exited).toMatchObject({ signal: null });
      expect(isRunning(pid)).toBe(false);
      await server.stop();
      server.signal('SIGKILL');
    });
  });
}

const redis = await serverSuite('redis');
describe.skipIf(redis.skip)(redis.title('redis in detail'), () => {
  /** The server's first line in answer to each command. */
  async function talk(port: number, ...commands: readonly string[]): Promise<string[]> {
    const socket = connect({ host: '127.0.0.1', port, ca: folders.tls.caPem, servername: 'localhost' });
    try {
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
      const answers: string[] = [];
      for (const command of commands) {
        text = '';
        socket.write(`${command}\r\n`);
        await expect.poll(() => text, { timeout: 3000 }).toContain('\r\n');
        answers.push(text.trim());
      }
      return answers;
    } finally {
      socket.destroy();
    }
  }

  test('nobody gets in without a name', async () => {
    await using server = await startRedis({ folder: await folders.folder(), tls: folders.tls, users: [] });
    const [ping, auth] = await talk(server.port, 'PING', `AUTH ${password}`);
    expect([ping, auth]).toEqual([expect.stringContaining('NOAUTH'), expect.stringContaining('WRONGPASS')]);
  });

  test('a replica follows over TLS, and a sentinel promotes it when the master is paused', async () => {
    const users = [
      { name: 'app', password, acl: '~* +@all' },
      { name: 'replica', password, acl: redisAcl.replica },
      { name: 'sentinel', password, acl: redisAcl.sentinel },
    ];
    const base = { tls: folders.tls, users };
    await using master = await startRedis({ ...base, folder: await folders.folder() });
    await using replica = await startRedis({
      ...base,
      folder: await folders.folder(),
      replicaOf: { port: master.port, user: 'replica', password },
    });
    const enter = `AUTH app ${password}`;
    await expect
      .poll(async () => (await talk(replica.port, enter, 'INFO replication'))[1], { timeout: 10_000 })
      .toContain('master_link_status:up');
    await using sentinel = await startSentinel({
      folder: await folders.folder(),
      tls: folders.tls,
      users: [{ name: 'app', password, acl: 'allchannels +@connection +sentinel' }],
      peer: { name: 'peer', password },
      master: { name: 'main', port: master.port, user: 'sentinel', password },
      quorum: 1,
      downAfterMs: 300,
    });
    await expect
      .poll(async () => (await talk(sentinel.port, enter, 'SENTINEL MASTER main'))[1], { timeout: 15_000 })
      .toMatch(/num-slaves\r\n\$1\r\n1/);
    master.signal('SIGSTOP');
    await expect
      .poll(async () => (await talk(replica.port, enter, 'INFO replication'))[1], { timeout: 15_000 })
      .toContain('role:master');
  }, 45_000);
});
