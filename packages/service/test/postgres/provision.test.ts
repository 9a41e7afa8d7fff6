import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Secret } from '@sallyport/crypto';
import { Client } from 'pg';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgres, provisionPostgres, type PostgresOptions } from '../../src/postgres/index.ts';
import { isVerifierOf, scramVerifier } from '../../src/postgres/scram.ts';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';

const secret = (text: string): Secret => new Secret(new TextEncoder().encode(text));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const database = 'sallyport_test';

describe('verifiers', () => {
  test('salt, iterations and password of RFC 7677 section 3 give the keys of its exchange', async () => {
    const verifier = await scramVerifier(bytes('pencil'), Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
    expect(await isVerifierOf(verifier, bytes('pencil'))).toBe(true);
    expect(await isVerifierOf(verifier, bytes('pencils'))).toBe(false);
    expect(await isVerifierOf('md5abc', bytes('pencil'))).toBe(false);
  });

  test.each(['', 'ümlaut', 'line\nbreak', '\u007f'])('password %j is refused', async (password) => {
    await expect(scramVerifier(bytes(password))).rejects.toThrow(TypeError);
  });
});

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('provisioning'), () => {
  let postgres: TestPostgres;
  let admin: PostgresOptions;
  beforeAll(async () => {
    postgres = await testPostgres();
    ({ admin } = postgres);
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  const as = (user: string, password: string): PostgresOptions => ({
    ...admin,
    database,
    user,
    password: secret(password),
  });
  async function asAdmin<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({
      ...{ host: admin.host, port: admin.port, user: 'postgres', database },
      password: 'superuser-for-tests-only',
      ssl: { ca: typeof admin.tls === 'string' ? '' : (admin.tls.caPem ?? '') },
    });
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end();
    }
  }

  test('makes database, roles and schemas; the second time it changes nothing', async () => {
    const services = [
      { service: 'key-service', password: secret('key-password') },
      { service: 'auth-service', password: secret('auth-password') },
    ];
    const users = ['key_service', 'auth_service'];
    const first = await provisionPostgres(admin, services, { database });
    expect(first).toEqual({ users, passwordsChanged: users });
    const again = await provisionPostgres(admin, services, { database });
    expect(again).toEqual({ users, passwordsChanged: [] });
    for (const [user, password] of [
      ['key_service', 'key-password'],
      ['auth_service', 'auth-password'],
    ] as const) {
      await using host = await openPostgres(as(user, password));
      await (await host.forService(user.replaceAll('_', '-'))).check();
    }
  });

  test('a changed password is changed, and the old one no longer enters', async () => {
    const provision = (password: string) =>
      provisionPostgres(admin, [{ service: 'rotating', password: secret(password) }], { database });
    await provision('before');
    await using running = await openPostgres(as('rotating', 'before'));
    const service = await running.forService('rotating');
    expect((await provision('after')).passwordsChanged).toEqual(['rotating']);
    await service.check(); // what is connected stays so
    await expect(openPostgres(as('rotating', 'before'))).rejects.toMatchObject({
      kind: 'unavailable',
      sqlState: '28P01',
    });
    await (await openPostgres(as('rotating', 'after'))).close();
  });

  test('a password is asked for anew by each connection', async () => {
    await provisionPostgres(admin, [{ service: 'reader', password: secret('one') }], { database });
    let now = 'one';
    const password = async () => secret(now);
    await using host = await openPostgres({ ...as('reader', ''), password, maxConnections: 2 });
    const service = await host.forService('reader');
    await provisionPostgres(admin, [{ service: 'reader', password: secret('two') }], { database });
    now = 'two';
    await service.transaction(() => service.check()); // a second connection
  });

  test('several at once do not get into each other', async () => {
    const services = ['a-one', 'a-two'].map((service) => ({ service, password: secret(service) }));
    const other = `${database}_at_once`;
    const reports = await Promise.all(
      Array.from({ length: 4 }, () => provisionPostgres(admin, services, { database: other })),
    );
    expect(reports.reduce((sum, { passwordsChanged }) => sum + passwordsChanged.length, 0)).toBe(2);
  });

  test('a service may nothing at the server but its own schema', async () => {
    const services = ['owner', 'other'].map((service) => ({ service, password: secret(service) }));
    await provisionPostgres(admin, services, { database });
    await using owner = await openPostgres(as('owner', 'owner'));
    const mine = await owner.forService('owner');
    await sql`create table mine (a int)`.execute(mine.kysely);
    await using host = await openPostgres(as('other', 'other'));
    const { kysely } = await host.forService('other');
    const refused = [
      'select * from owner.mine',
      'create temporary table t (a int)',
      'create schema s',
      'create table public.t (a int)',
      'set role owner',
      'set session authorization owner',
      'alter role other createrole',
      `alter database ${database} set work_mem = '1MB'`,
      'select rolpassword from pg_authid',
      "select lo_import('/etc/passwd')",
      'create extension dblink',
    ];
    for (const statement of refused) {
      await expect(sql.raw(statement).execute(kysely), statement).rejects.toMatchObject({
        kind: 'insufficient_privilege',
      });
    }
    const { rows } = await asAdmin((client) =>
      client.query(`select rolsuper or rolinherit or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as any
                    from pg_roles where rolname in ('owner', 'other')`),
    );
    expect(rows).toEqual([{ any: false }, { any: false }]);
  });

  test('rights that somebody added are taken away again', async () => {
    const service = { service: 'grown', password: secret('grown') };
    await provisionPostgres(admin, [service], { database });
    await asAdmin((client) => client.query('alter role grown createdb inherit'));
    await expect(
      openPostgres(as('grown', 'grown')).then((host) => host.forService('grown')),
    ).rejects.toMatchObject({ kind: 'insufficient_privilege' });
    await provisionPostgres(admin, [service], { database });
    await using host = await openPostgres(as('grown', 'grown'));
    await host.forService('grown');
  });

  test('an administrator who is no superuser can do it too', async () => {
    await asAdmin((client) =>
      client.query("create role deployer login createrole createdb password 'deployer-password'"),
    );
    const deployer = { ...as('deployer', 'deployer-password'), database: 'postgres' };
    const own = `${database}_own`;
    const services = [{ service: 'managed', password: secret('managed-1') }];
    const users = ['managed'];
    expect(await provisionPostgres(deployer, services, { database: own })).toEqual({
      users,
      passwordsChanged: users,
    });
    await provisionPostgres(deployer, services, { database: own });
    await using host = await openPostgres({ ...as('managed', 'managed-1'), database: own });
    await (await host.forService('managed')).migrate([{ id: '1', up: 'create table t (a int)' }]);
  });

  test('no password reached the log of the server', () => {
    const log = readFileSync(postgres.server.logFile, 'utf8');
    for (const password of ['key-password', 'auth-password', 'superuser-for-tests-only']) {
      expect(log).not.toContain(password);
    }
  });

  const bad: readonly [string, () => Promise<unknown>, object][] = [
    [
      'the superuser',
      () => openPostgres({ ...admin, database }).then((host) => host.forService('key-service')),
      { kind: 'insufficient_privilege' },
    ],
    [
      'the user of another service',
      () => openPostgres(as('owner', 'owner')).then((host) => host.forService('key-service')),
      { kind: 'insufficient_privilege' },
    ],
    ['a wrong password', () => openPostgres(as('owner', 'wrong')), { sqlState: '28P01' }],
    ['an unknown user', () => openPostgres(as('nobody', 'wrong')), { sqlState: '28P01' }],
    [
      'an unknown database',
      () => openPostgres({ ...as('owner', 'owner'), database: 'none' }),
      { sqlState: '3D000' },
    ],
    [
      'a database that it may not enter',
      () => openPostgres({ ...as('owner', 'owner'), database: 'sallyport_test_at_once' }),
      { sqlState: '42501' },
    ],
    [
      'a certificate of another authority',
      () => openPostgres({ ...as('owner', 'owner'), tls: {} }),
      { kind: 'unavailable', message: expect.stringMatching(/SIGNED|VERIFY|ISSUER/) as string },
    ],
    [
      'a certificate of another name',
      async () => {
        // The server's certificate names 127.0.0.1.
        const other = createServer((socket) => {
          const upstream = connect(admin.port, '127.0.0.1');
          socket.pipe(upstream).pipe(socket);
          for (const each of [socket, upstream]) each.on('error', () => undefined);
        });
        await once(other.listen(0, '127.0.0.2'), 'listening');
        try {
          const { port } = other.address() as AddressInfo;
          await openPostgres({ ...as('owner', 'owner'), host: '127.0.0.2', port });
        } finally {
          other.close();
        }
      },
      { kind: 'unavailable', message: expect.stringContaining('ALTNAME') as string },
    ],
    [
      'no TLS',
      () => openPostgres({ ...as('owner', 'owner'), tls: 'unsafe-plaintext' }),
      { sqlState: '28000' },
    ],
    ['a bad database name', () => provisionPostgres(admin, [], { database: 'a b' }), { name: 'TypeError' }],
  ];
  test.each(bad)('%s is refused', async (_, attempt, expected) => {
    const error = await attempt().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject(expected);
    expect(String(error)).not.toContain('superuser-for-tests-only');
  });
});
