import { Secret } from '@sallyport/crypto';
import type { DatabaseHost } from '../database/index.ts';
import { startPostgres, type LocalPostgres } from '../local-servers/index.ts';
import { openPostgres, provisionPostgres, type PostgresOptions } from '../postgres/index.ts';
import { serverFolders } from './servers.ts';

const SUPERUSER_PASSWORD = 'superuser-for-tests-only';
const DATABASE = 'sallyport';
const passwordOf = (service: string): Secret =>
  new Secret(new TextEncoder().encode(`password-of-${service}-for-tests`));

/** A Postgres of its own, whose services are provisioned when they are first opened. */
export interface TestPostgres extends AsyncDisposable {
  readonly server: LocalPostgres;
  /** What `openPostgres` takes to be this service, which is provisioned by this call. */
  optionsFor(service: string): Promise<PostgresOptions>;
  /** The superuser's way in. */
  readonly admin: PostgresOptions;
  /** Like `openPglite({ memory: true })`: any service, made when it is first asked for. A new host at every call. */
  host(options?: Partial<PostgresOptions>): DatabaseHost;
}

export async function testPostgres(): Promise<TestPostgres> {
  const folders = await serverFolders();
  const server = await startPostgres({
    folder: await folders.folder(),
    tls: folders.tls,
    superuserPassword: SUPERUSER_PASSWORD,
  }).catch(async (error: unknown) => {
    await folders[Symbol.asyncDispose]();
    throw error;
  });
  const admin: PostgresOptions = {
    ...server.admin,
    password: new Secret(new TextEncoder().encode(SUPERUSER_PASSWORD)),
    tls: { caPem: folders.tls.caPem },
  };
  async function optionsFor(service: string): Promise<PostgresOptions> {
    const password = passwordOf(service);
    const { users } = await provisionPostgres(admin, [{ service, password }], { database: DATABASE });
    return { ...admin, database: DATABASE, user: users[0] ?? '', password };
  }
  return {
    server,
    admin,
    optionsFor,
    host: (options) => provisioningHost(optionsFor, options),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await folders[Symbol.asyncDispose]();
    },
  };
}

function provisioningHost(
  optionsFor: TestPostgres['optionsFor'],
  overrides: Partial<PostgresOptions> = {},
): DatabaseHost {
  const hosts: DatabaseHost[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.close()));
  };
  return {
    async forService<Schema>(service: string, options: Parameters<DatabaseHost['forService']>[1]) {
      const host = await openPostgres({ ...(await optionsFor(service)), ...overrides });
      hosts.push(host);
      return host.forService<Schema>(service, options);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
