/**
 * A cluster whose servers belong to the test, each behind a proxy that can cut the network; its processes belong to
 * `sallyport up --profile cluster`, its upstreams count what they were made to do.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { SERVICE_NAMES } from '@sallyport/service/identity';
import {
  serverTls,
  startCutProxy,
  startNats,
  startPostgres,
  type CutProxy,
  type LocalPostgres,
  type LocalServer,
} from '@sallyport/service/local-servers';
import { natsPermissions } from '@sallyport/service/nats';
import { ensurePassword } from '../../src/cluster/secrets.ts';
import { freePortBase } from './ports.ts';
import { startReplaceableRedis, type ReplaceableRedis } from './replaceable-redis.ts';
import { startSystem, type Started } from './running-system.ts';
import { temporaryHome, type TemporaryHome } from './temporary-home.ts';
import { startUpstream, type Upstream } from './upstream.ts';

export type ServerName = 'redis' | 'nats' | 'postgres';

export type World = AsyncDisposable & {
  readonly home: TemporaryHome;
  readonly system: Started;
  readonly redis: ReplaceableRedis;
  readonly nats: LocalServer;
  readonly postgres: LocalPostgres;
  /** Of the superuser of `postgres`. */
  readonly postgresPassword: string;
  readonly network: Readonly<Record<ServerName, CutProxy>>;
  /** A destination that carries out what it is sent, every time. */
  readonly orders: Upstream;
  /** A destination that knows a request again by its idempotency key; its route says so. */
  readonly ledger: Upstream;
  /** By how much each process's civil time is off, by its name (`gateway-1`); others are right. Within 100 ms. */
  setClocks(skewMs: Readonly<Record<string, number>>): Promise<void>;
};

export type WorldOptions = {
  /** As `--replicas` takes it. */
  readonly replicas: string;
  /** A bundle older than this decides nothing. */
  readonly policyMaxAgeMs?: number;
  /** Without word of what is revoked for so long, frames are refused. */
  readonly revocationsDeadAfterMs?: number;
  /** What may wait in a gateway's spool. */
  readonly spoolMaxBytes?: number;
  /** Clocks of the processes can be set: `World.setClocks`. */
  readonly hasClocks?: boolean;
};

/** Twice what a process lets pass between two looks. */
const CLOCKS_WITHIN_MS = 100;
const NATS_DISK_BYTES = 1024 * 1024 * 1024;

export async function createWorld(options: WorldOptions): Promise<World> {
  await using building = new AsyncDisposableStack();
  const home = building.use(await temporaryHome(await freePortBase()));
  // Directly under the temporary folder: the user that Postgres runs as must reach it.
  const ownFolder = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-given-'));
    building.defer(() => rm(folder, { recursive: true, force: true }));
    return folder;
  };
  const folder = await ownFolder();
  const tls = await serverTls(join(folder, 'tls'));
  const secrets = join(home.folder, 'given');
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
      jetStream: { maxFileBytes: NATS_DISK_BYTES },
    }),
  );
  const superuser = await password('postgres');
  const postgres = building.use(
    await startPostgres({ folder: await ownFolder(), tls, superuserPassword: superuser.password }),
  );
  const network = {
    redis: redis.proxy,
    nats: building.use(await startCutProxy({ to: nats })),
    postgres: building.use(await startCutProxy({ to: postgres })),
  };
  const orders = building.use(await startUpstream());
  const ledger = building.use(await startUpstream());
  const bound = (key: string, ms: number | undefined) => (ms === undefined ? {} : { [key]: `${ms}ms` });
  const configuration = {
    log: { level: 'warn' },
    policy: bound('maxAge', options.policyMaxAgeMs),
    revocations: bound('deadAfter', options.revocationsDeadAfterMs),
    spool: options.spoolMaxBytes === undefined ? {} : { maxBytes: options.spoolMaxBytes },
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
  const clocks = join(folder, 'clocks.json');
  const env = {
    CLOCK_SKEW_FILE: clocks,
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'skewed-clock.ts')).href}`,
  };
  const system = building.use(
    await startSystem(home, {
      profile: 'cluster',
      replicas: options.replicas,
      ...(options.hasClocks === true ? { env } : {}),
    }),
  );
  const parts = building.move();
  return {
    ...{ home, system, redis, nats, postgres, network, orders, ledger },
    postgresPassword: superuser.password,
    async setClocks(skewMs) {
      if (options.hasClocks !== true) throw new TypeError('this world was made without clocks');
      await writeFile(`${clocks}.new`, JSON.stringify(skewMs));
      await rename(`${clocks}.new`, clocks);
      await sleep(CLOCKS_WITHIN_MS);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
