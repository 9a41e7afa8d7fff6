/**
 * The cluster profile on servers that are given: it starts none of its own, and stops none.
 *
 * Budget: 60 s on two cores.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_NAMES } from '@sallyport/service/identity';
import { startNats, startPostgres, startRedis } from '@sallyport/service/local-servers';
import { natsPermissions } from '@sallyport/service/nats';
import { serverFolders, serverSuite } from '@sallyport/service/testing';
import { describe, expect, test } from 'vitest';
import { GUARD_ACL } from '../../src/config.ts';
import { freePortBase } from '../support/ports.ts';
import { runProcess, startSystem } from '../support/running-system.ts';
import { temporaryHome } from '../support/temporary-home.ts';

const suite = await serverSuite('redis', 'nats', 'postgres');

describe.skipIf(suite.skip)(suite.title('cluster profile on given servers'), () => {
  test('messages go through, doctor is content, and the servers outlive it', async () => {
    await using stack = new AsyncDisposableStack();
    const folders = stack.use(await serverFolders());
    const { tls } = folders;
    const password = randomBytes(24).toString('base64url');
    const [redis, nats, postgres] = await Promise.all([
      startRedis({
        folder: await folders.folder(),
        tls,
        users: [{ name: 'guard', password, acl: GUARD_ACL }],
      }),
      startNats({
        folder: await folders.folder(),
        tls,
        users: SERVICE_NAMES.map((name) => ({ name, password, ...natsPermissions(name) })),
        jetStream: { maxFileBytes: 512 * 1024 * 1024 },
      }),
      startPostgres({ folder: await folders.folder(), tls, superuserPassword: password }),
    ]);
    for (const server of [redis, nats, postgres]) stack.use(server);

    const home = stack.use(await temporaryHome(await freePortBase()));
    await mkdir(home.folder, { recursive: true, mode: 0o700 });
    const passwordFile = join(home.folder, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const { caFile } = tls;
    const cluster = {
      redis: {
        kind: 'standalone',
        nodes: [`127.0.0.1:${redis.port}`],
        username: 'guard',
        passwordFile,
        caFile,
      },
      nats: {
        servers: [`127.0.0.1:${nats.port}`],
        caFile,
        users: Object.fromEntries(SERVICE_NAMES.map((name) => [name, { user: name, passwordFile }])),
      },
      postgres: {
        ...{ host: '127.0.0.1', port: postgres.port },
        ...{ adminUser: 'postgres', adminPasswordFile: passwordFile, caFile },
      },
    };
    await writeFile(home.configFile, JSON.stringify({ cluster }));

    const checked = await runProcess(home, ['up', '--profile', 'cluster', '--check-config']);
    expect([checked.code, checked.err]).toEqual([0, '']);
    await using system = await startSystem(home, { profile: 'cluster' });
    expect(system.out()).not.toMatch(/^ *(?:redis-server|nats-server|postgres) /mu);
    const sent = await runProcess(home, ['send', 'echo', '{"on":"given"}']);
    expect([sent.code, sent.out.trim()], sent.err).toEqual([0, '{"on":"given"}']);
    const doctor = await runProcess(home, ['doctor']);
    expect(doctor.code, doctor.out).toBe(0);
    expect((await system.stop()).code).toBe(0);
    for (const server of [redis, nats, postgres])
      expect(await Promise.race([server.exited, Promise.resolve('still there')]), server.name).toBe(
        'still there',
      );
  }, 120_000);
});
