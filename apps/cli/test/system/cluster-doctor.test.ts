/**
 * Doctor's lines about a cluster, each with a server that is right and one that is broken in one way.
 *
 * Budget: 30 s on two cores. Real servers, one of each for the file; no process of ours runs.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Secret } from '@sallyport/crypto';
import { startNats, startPostgres, startRedis, type LocalServer } from '@sallyport/service/local-servers';
import { natsPermissions, provisionNats } from '@sallyport/service/nats';
import { provisionPostgres } from '@sallyport/service/postgres';
import { memoryLog, serverFolders, serverSuite, type ServerFolders } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keepEndpoints } from '../../src/cluster/endpoints.ts';
import { clusterChecks } from '../../src/doctor/cluster-checks.ts';
import type { Verdict } from '../../src/doctor/check.ts';
import { createOutput } from '../../src/output.ts';
import { freePortBase } from '../support/ports.ts';
import { temporaryHome } from '../support/temporary-home.ts';

const suite = await serverSuite('redis', 'nats', 'postgres');
const SERVICES = ['gateway', 'auth-service', 'key-service', 'policy-service', 'audit-service'] as const;
const password = randomBytes(24).toString('base64url');
const silent = { write: () => undefined };

type Sections = {
  nats: Record<string, unknown>;
  redis: Record<string, unknown>;
  database: Record<string, unknown>;
};

describe.skipIf(suite.skip)(suite.title('doctor on a cluster'), () => {
  const stack = new AsyncDisposableStack();
  let folders: ServerFolders;
  let passwordFile: string;
  let sound: Sections;
  let evicting: LocalServer;
  let withoutStream: LocalServer;

  beforeAll(async () => {
    folders = stack.use(await serverFolders());
    const { tls } = folders;
    passwordFile = join(await folders.folder(), 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const redisWith = async (...extra: string[]): Promise<LocalServer> =>
      stack.use(
        await startRedis({
          folder: await folders.folder(),
          tls,
          users: [{ name: 'gateway', password, acl: '+info' }],
          extra,
        }),
      );
    const natsFor = async (): Promise<LocalServer> =>
      stack.use(
        await startNats({
          folder: await folders.folder(),
          tls,
          users: SERVICES.map((name) => ({ name, password, ...natsPermissions(name) })),
          jetStream: { maxFileBytes: 512 * 1024 * 1024 },
        }),
      );
    const [redis, lru, nats, empty, postgres] = await Promise.all([
      redisWith(),
      redisWith('maxmemory-policy allkeys-lru'),
      natsFor(),
      natsFor(),
      (async () =>
        stack.use(
          await startPostgres({ folder: await folders.folder(), tls, superuserPassword: password }),
        ))(),
    ]);
    [evicting, withoutStream] = [lru, empty];
    const caFile = tls.caFile;
    const secret = new Secret(new TextEncoder().encode(password));
    await provisionPostgres(
      { ...postgres.admin, password: secret, tls: { caPem: tls.caPem } },
      SERVICES.slice(1).map((service) => ({ service, password: secret })),
    );
    const servers = [`127.0.0.1:${nats.port}`];
    await provisionNats({
      name: 'audit-service',
      user: 'audit-service',
      servers,
      passwordFile,
      caFile,
      log: memoryLog(),
    });
    const node = `127.0.0.1:${redis.port}`;
    sound = {
      nats: { servers, passwordFile, caFile },
      redis: { kind: 'standalone', nodes: [node], username: 'gateway', passwordFile, caFile },
      database: { host: '127.0.0.1', port: postgres.port, database: 'sallyport', passwordFile, caFile },
    };
  }, 60_000);

  afterAll(() => stack.disposeAsync(), 60_000);

  /** What the line says of a home whose processes have these sections in their files. */
  async function line(name: string, sections: Sections): Promise<Verdict> {
    await using home = await temporaryHome(await freePortBase());
    for (const service of SERVICES) {
      const folder = join(home.clusterFolder, `${service}-1`);
      await mkdir(folder, { recursive: true });
      const user = service.replace('-', '_');
      const file = {
        nats: { user: service, ...sections.nats },
        ...(service === 'gateway' ? { redis: sections.redis } : { database: { user, ...sections.database } }),
      };
      await writeFile(join(folder, 'config.yaml'), JSON.stringify(file));
    }
    await using _ = await keepEndpoints(home, () =>
      SERVICES.map((service) => ({ name: service, replica: 1, pid: 1, port: 1, probesPort: 1 })),
    );
    const output = createOutput({ json: false, out: silent, err: silent });
    const checks = await clusterChecks({
      home,
      as: 'admin',
      env: {},
      output,
      signal: new AbortController().signal,
    });
    const check = checks.find((each) => each.name === name);
    if (check === undefined) throw new Error(`doctor has no line ${name}`);
    return await check
      .run()
      .catch((error: Error): Verdict => ({ level: 'problem', says: error.message, next: '' }));
  }

  test.each([
    ['redis', /^Redis 7\.[\d.]+ at .*, evicts nothing$/],
    ['nats', /^NATS 2\.[\d.]+: every service gets in; stream AUDIT/],
    ['postgres', /^Postgres \d+\.\d+: 4 roles/],
    ['encryption', /over TLS/],
  ] as const)('%s is ok', async (name, says) => {
    expect(await line(name, sound)).toEqual({ level: 'ok', says: expect.stringMatching(says) as string });
  });

  type Row = readonly [
    name: string,
    what: string,
    spoil: () => Promise<Partial<Sections>> | Partial<Sections>,
    says: RegExp,
  ];
  const other = async (): Promise<string> => {
    const file = join(await folders.folder(), 'password');
    await writeFile(file, 'another-password-altogether\n', { mode: 0o600 });
    return file;
  };
  const nowhere = ['127.0.0.1:1'];
  const rows: readonly Row[] = [
    [
      'redis',
      'away',
      () => ({ redis: { ...sound.redis, nodes: nowhere } }),
      /Redis at 127\.0\.0\.1:1: .*ECONNREFUSED/,
    ],
    [
      'redis',
      'refusing the password',
      async () => ({ redis: { ...sound.redis, passwordFile: await other() } }),
      /it refuses: WRONGPASS/,
    ],
    [
      'redis',
      'evicting',
      () => ({ redis: { ...sound.redis, nodes: [`127.0.0.1:${evicting.port}`] } }),
      /may evict .*allkeys-lru/,
    ],
    [
      'redis',
      'of another authority',
      async () => ({ redis: { ...sound.redis, caFile: (await otherAuthority()).caFile } }),
      /certificate|self.signed|issuer/i,
    ],
    ['nats', 'away', () => ({ nats: { ...sound.nats, servers: nowhere } }), /NATS at 127\.0\.0\.1:1 as /],
    [
      'nats',
      'refusing the password',
      async () => ({ nats: { ...sound.nats, passwordFile: await other() } }),
      /NATS at .* as /,
    ],
    [
      'nats',
      'without the stream',
      () => ({ nats: { ...sound.nats, servers: [`127.0.0.1:${withoutStream.port}`] } }),
      /stream or its consumer is not there/,
    ],
    [
      'postgres',
      'away',
      () => ({ database: { ...sound.database, port: 1 } }),
      /Postgres at 127\.0\.0\.1:1 as .*ECONNREFUSED/,
    ],
    [
      'postgres',
      'refusing the password',
      async () => ({ database: { ...sound.database, passwordFile: await other() } }),
      /Postgres at .* as .*password/,
    ],
    [
      'postgres',
      'as a user that may too much',
      () => ({ database: { ...sound.database, user: 'postgres' } }),
      /may more than a service should/,
    ],
    [
      'postgres',
      'as the user of another service',
      () => ({ database: { ...sound.database, user: 'auth_service' } }),
      /no schema/,
    ],
    ['replicas', 'that do not answer', () => ({}), /gateway-1: probe: .*; auth-service-1: probe/],
  ];
  test.each(rows)('%s: %s', async (name, _, spoil, says) => {
    const verdict = await line(name, { ...sound, ...(await spoil()) });
    expect(verdict).toMatchObject({ level: 'problem', says: expect.stringMatching(says) as string });
    expect(JSON.stringify(verdict)).not.toContain(password);
  });

  const otherAuthority = async () => stack.use(await serverFolders()).tls;

  test('plaintext is a notice', async () => {
    const { caFile: _, ...plain } = sound.redis;
    expect(await line('encryption', { ...sound, redis: plain })).toMatchObject({
      level: 'notice',
      says: expect.stringMatching(/^without TLS: redis/) as string,
    });
  });
});
