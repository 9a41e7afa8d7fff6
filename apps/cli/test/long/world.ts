/**
 * A cluster for long runs: its servers belong to the test, each behind a proxy that can cut the network, its processes to
 * `sallyport up --profile cluster`, its upstreams count what they were made to do.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICE_NAMES } from '@sallyport/service/identity';
import {
  serverTls,
  startCutProxy,
  startNats,
  startPostgres,
  type CutProxy,
  type LocalServer,
} from '@sallyport/service/local-servers';
import { natsPermissions } from '@sallyport/service/nats';
import { ensurePassword } from '../../src/cluster/secrets.ts';
import { freePortBase } from '../support/ports.ts';
import { startSystem, type Started } from '../support/running-system.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';
import { startReplaceableRedis, type ReplaceableRedis } from './redis.ts';

/** A bundle older than this must decide nothing. Short, so that a run of minutes can break it. */
export const POLICY_MAX_AGE_MS = 10_000;

export type World = AsyncDisposable & {
  readonly home: TemporaryHome;
  readonly system: Started;
  readonly redis: ReplaceableRedis;
  readonly nats: LocalServer;
  readonly postgres: LocalServer;
  readonly network: Readonly<Record<'redis' | 'nats' | 'postgres', CutProxy>>;
  /** A destination that carries out what it is sent, every time. */
  readonly orders: Upstream;
  /** A destination that knows a request again by its idempotency key; its route says so. */
  readonly ledger: Upstream;
};

export async function createWorld(replicas: string): Promise<World> {
  await using building = new AsyncDisposableStack();
  const home = building.use(await temporaryHome(await freePortBase()));
  // Directly under the temporary folder: the user that Postgres runs as must reach it.
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-chaos-'));
  building.defer(() => rm(folder, { recursive: true, force: true }));
  const tls = await serverTls(join(folder, 'tls'));
  const secrets = join(home.folder, 'chaos');
  const password = (name: string): ReturnType<typeof ensurePassword> => ensurePassword(secrets, name);

  const guard = await password('redis');
  const redis = building.use(await startReplaceableRedis(folder, tls, guard.password));
  const users = await Promise.all(
    SERVICE_NAMES.map(async (name) => ({ name, ...(await password(`nats-${name}`)) })),
  );
  const nats = building.use(
    await startNats({
      folder: join(folder, 'nats'),
      tls,
      users: users.map((user) => ({ ...user, ...natsPermissions(user.name) })),
      jetStream: { maxFileBytes: 1024 * 1024 * 1024 },
    }),
  );
  const superuser = await password('postgres');
  const postgresFolder = await mkdtemp(join(tmpdir(), 'sallyport-chaos-'));
  building.defer(() => rm(postgresFolder, { recursive: true, force: true }));
  const postgres = building.use(
    await startPostgres({ folder: postgresFolder, tls, superuserPassword: superuser.password }),
  );
  const network = {
    redis: redis.proxy,
    nats: building.use(await startCutProxy({ to: nats })),
    postgres: building.use(await startCutProxy({ to: postgres })),
  };
  const orders = building.use(await startUpstream());
  const ledger = building.use(await startUpstream());
  const configuration = {
    log: { level: 'warn' },
    policy: { maxAge: `${POLICY_MAX_AGE_MS}ms` },
    routes: {
      orders: { url: orders.url, timeout: '5s' },
      ledger: { url: ledger.url, timeout: '5s', idempotent: true },
    },
    cluster: {
      redis: {
        kind: 'standalone',
        nodes: [`127.0.0.1:${network.redis.port}`],
        username: 'gateway',
        passwordFile: guard.file,
        caFile: tls.caFile,
      },
      nats: {
        servers: [`127.0.0.1:${network.nats.port}`],
        caFile: tls.caFile,
        users: Object.fromEntries(users.map(({ name, file }) => [name, { user: name, passwordFile: file }])),
      },
      postgres: {
        host: '127.0.0.1',
        port: network.postgres.port,
        adminUser: 'postgres',
        adminPasswordFile: superuser.file,
        caFile: tls.caFile,
      },
    },
  };
  // JSON is YAML (YAML 1.2.2 section 1.3).
  await writeFile(home.configFile, JSON.stringify(configuration), { mode: 0o600 });
  const system = building.use(await startSystem(home, { profile: 'cluster', replicas }));
  const parts = building.move();
  return {
    ...{ home, system, redis, nats, postgres, network, orders, ledger },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
