/** A server that is none and wants the password, and rights that came by way of another role. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Secret } from '@sallyport/crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPostgres, provisionPostgres, type PostgresOptions } from '../../src/postgres/index.ts';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';

const secret = (text: string): Secret => new Secret(new TextEncoder().encode(text));

/** Answers the start of a connection with `demand`, and keeps what comes after it. */
async function startImpostor(demand: Buffer) {
  const heard: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.on('data', (chunk) => heard.push(chunk));
      socket.write(demand);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => Buffer.concat(heard).toString('latin1'),
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** PostgreSQL 15, section 55.7: AuthenticationCleartextPassword and AuthenticationMD5Password. */
const authentication = (kind: number, rest = ''): Buffer => {
  const body = Buffer.concat([Buffer.alloc(8), Buffer.from(rest, 'latin1')]);
  body.writeInt32BE(body.length, 0);
  body.writeInt32BE(kind, 4);
  return Buffer.concat([Buffer.from('R'), body]);
};

describe('over a connection without TLS', () => {
  const demands: readonly [string, Buffer][] = [
    ['in clear', authentication(3)],
    ['as an MD5 that can be guessed at', authentication(5, 'salt')],
  ];
  const uses: readonly [string, (server: PostgresOptions) => Promise<unknown>][] = [
    ['a service', openPostgres],
    ['an administrator', (server) => provisionPostgres(server, [])],
  ];
  test.each(demands.flatMap(([how, demand]) => uses.map(([who, use]) => ({ how, demand, who, use }))))(
    '$who is not made to say the password $how',
    async ({ demand, use }) => {
      await using impostor = await startImpostor(demand);
      const error = await use({
        ...{ host: '127.0.0.1', port: impostor.port, database: 'd', user: 'u' },
        ...{ password: secret('canary'), tls: 'unsafe-plaintext', connectTimeoutMs: 2000 },
      }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        kind: 'unavailable',
        message: expect.stringContaining('SCRAM') as string,
      });
      expect(impostor.heard()).toBe('');
    },
  );
});

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('rights by way of another role'), () => {
  const database = 'sallyport_hostile';
  let postgres: TestPostgres;
  let admin: PostgresOptions;
  beforeAll(async () => {
    postgres = await testPostgres();
    ({ admin } = postgres);
    const services = ['one', 'two'].map((service) => ({ service, password: secret(service) }));
    await provisionPostgres(admin, services, { database });
  }, 60_000);
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  async function asAdmin(statement: string): Promise<void> {
    const client = new Client({
      ...{ host: admin.host, port: admin.port, user: 'postgres', database },
      password: 'superuser-for-tests-only',
      ssl: { ca: typeof admin.tls === 'string' ? '' : (admin.tls.caPem ?? '') },
    });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }
  async function open(): Promise<void> {
    await using host = await openPostgres({ ...admin, database, user: 'one', password: secret('one') });
    await host.forService('one');
  }

  test.each(['two', 'postgres', 'pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program'])(
    'a user that may become %s is refused',
    async (role) => {
      await asAdmin(`grant ${role} to one`);
      try {
        await expect(open()).rejects.toMatchObject({
          kind: 'insufficient_privilege',
          message: expect.stringContaining(role) as string,
        });
      } finally {
        await asAdmin(`revoke ${role} from one`);
      }
      await open();
    },
  );

  test('a role without rights of its own, such as a proxy asks for, is no reason to refuse', async () => {
    await asAdmin('create role way_in nologin; grant way_in to one');
    await open();
  });
});
