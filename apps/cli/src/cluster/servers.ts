/** Redis, NATS and Postgres of the cluster profile: those that are given, and local ones for the rest. */
import { randomUUID } from 'node:crypto';
import { mkdir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE_NAMES, type ServiceName } from '@sallyport/service/identity';
import {
  isReachableForPostgres,
  LocalServerError,
  serverTls,
  startNats,
  startPostgres,
  startRedis,
  type LocalPostgres,
  type LocalServer,
  type ServerTls,
} from '@sallyport/service/local-servers';
import { natsPermissions } from '@sallyport/service/nats';
import { GUARD_ACL, type EmbeddedConfig } from '../config.ts';
import { CommandFailed } from '../exit.ts';
import type { Home } from '../state/home.ts';
import type { Backends, NatsSection, RedisSection } from './backends.ts';
import { provisionDatabases, type PostgresAdmin } from './databases.ts';
import { HOST } from './layout.ts';
import { ensurePassword } from './secrets.ts';

export type Servers = {
  readonly backends: Backends;
  /** Those that were started here. */
  readonly local: readonly LocalServer[];
};

const MAX_STREAM_BYTES = 1024 * 1024 * 1024;
/** Where root puts what the user `postgres` must reach. */
const REACHABLE_FOLDER = '/var/lib/sallyport';

/**
 * Resolves when each answers. `onStarted` is told of each local one at once, so that it is stopped when a later one fails.
 * Throws `CommandFailed`.
 */
export async function startServers(
  home: Home,
  config: EmbeddedConfig,
  onStarted: (server: LocalServer) => void,
): Promise<Servers> {
  const { cluster } = config;
  const local: LocalServer[] = [];
  const started = <S extends LocalServer>(server: S): S => {
    local.push(server);
    onStarted(server);
    return server;
  };
  const secrets = join(home.clusterFolder, 'secrets');
  try {
    const tls = await serverTls(join(home.clusterFolder, 'tls'));
    const [redis, nats, database] = await Promise.all([
      cluster.redis ?? localRedis(home, secrets, tls, started),
      cluster.nats === undefined ? localNats(home, secrets, tls, started) : givenNats(cluster.nats),
      (async () => {
        const admin =
          cluster.postgres === undefined
            ? await localPostgres(home, secrets, tls, started)
            : givenPostgres(cluster.postgres);
        return provisionDatabases(admin, secrets, cluster.allowInsecureBackends);
      })(),
    ]);
    return {
      backends: { redis, nats, database, allowInsecureBackends: cluster.allowInsecureBackends },
      local,
    };
  } catch (error) {
    throw serverFailure(error);
  }
}

type Started = <S extends LocalServer>(server: S) => S;

async function localRedis(
  home: Home,
  secrets: string,
  tls: ServerTls,
  started: Started,
): Promise<RedisSection> {
  const { file, password } = await ensurePassword(secrets, 'redis-gateway');
  const server = started(
    await startRedis({
      folder: join(home.clusterFolder, 'redis'),
      tls,
      users: [{ name: 'gateway', password, acl: GUARD_ACL }],
    }),
  );
  return {
    kind: 'standalone',
    nodes: [`${HOST}:${server.port}`],
    username: 'gateway',
    passwordFile: file,
    caFile: tls.caFile,
  };
}

async function localNats(
  home: Home,
  secrets: string,
  tls: ServerTls,
  started: Started,
): Promise<Backends['nats']> {
  const users = await Promise.all(
    SERVICE_NAMES.map(async (name) => ({ name, ...(await ensurePassword(secrets, `nats-${name}`)) })),
  );
  const server = started(
    await startNats({
      folder: join(home.clusterFolder, 'nats'),
      tls,
      users: users.map(({ name, password }) => ({ name, password, ...natsPermissions(name) })),
      jetStream: { maxFileBytes: MAX_STREAM_BYTES },
    }),
  );
  const sections = users.map(({ name, file }): [ServiceName, NatsSection] => [
    name,
    { servers: [`${HOST}:${server.port}`], user: name, passwordFile: file, caFile: tls.caFile },
  ]);
  return Object.fromEntries(sections) as Record<ServiceName, NatsSection>;
}

function givenNats({
  servers,
  caFile,
  users,
}: NonNullable<EmbeddedConfig['cluster']['nats']>): Backends['nats'] {
  const sections = SERVICE_NAMES.map((name): [ServiceName, NatsSection] => [
    name,
    { servers, ...users[name], caFile },
  ]);
  return Object.fromEntries(sections) as Record<ServiceName, NatsSection>;
}

async function localPostgres(
  home: Home,
  secrets: string,
  tls: ServerTls,
  started: Started,
): Promise<PostgresAdmin> {
  const { file, password } = await ensurePassword(secrets, 'postgres-superuser');
  const server: LocalPostgres = started(
    await startPostgres({ folder: await postgresFolder(home), tls, superuserPassword: password }),
  );
  return {
    host: HOST,
    port: server.port,
    user: 'postgres',
    passwordFile: file,
    caFile: tls.caFile,
    database: 'postgres',
    schemasIn: 'sallyport',
  };
}

function givenPostgres(given: NonNullable<EmbeddedConfig['cluster']['postgres']>): PostgresAdmin {
  const { host, port, database, adminDatabase, adminUser: user } = given;
  const { adminPasswordFile: passwordFile, caFile } = given;
  return { host, port, database: adminDatabase, schemasIn: database, user, passwordFile, caFile };
}

/**
 * In the state folder, where that can be. Root's state folder is closed to the user that Postgres runs as: then a link
 * in it points at a folder of its own elsewhere.
 */
async function postgresFolder(home: Home): Promise<string> {
  const folder = join(home.clusterFolder, 'postgres');
  const linked = await readlink(folder).catch(() => undefined);
  if (linked !== undefined) return linked;
  await mkdir(home.clusterFolder, { recursive: true, mode: 0o700 });
  if (await isReachableForPostgres(folder)) return folder;
  const elsewhere = join(REACHABLE_FOLDER, randomUUID());
  await mkdir(REACHABLE_FOLDER, { recursive: true, mode: 0o755 });
  await symlink(elsewhere, folder);
  return elsewhere;
}

function serverFailure(error: unknown): unknown {
  if (!(error instanceof LocalServerError)) return error;
  return new CommandFailed(
    error.kind === 'not_installed'
      ? `Cannot start: ${error.message}\nThe cluster profile runs on Redis, NATS and Postgres. As root: ${INSTALL} Or give servers: section "cluster" of the configuration.`
      : `Cannot start: ${error.message}`,
    { reason: error.kind },
  );
}

const INSTALL = 'apt-get install --no-install-recommends redis-server nats-server postgresql';
