/** The bus and the database of the cluster profile, from their configuration. Loaded on first use: not every process has them. */
import { readFile } from 'node:fs/promises';
import type { Bus } from '../bus/index.ts';
import type { DatabaseHost } from '../database/index.ts';
import type { ServiceName } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { DatabaseConfig, NatsConfig } from './config.ts';
import { secretIn } from './files.ts';

type Parts = { readonly service: ServiceName; readonly log: Log; readonly metrics: Metrics };

/** Throws `BusError`; a broker that cannot be reached is no error, the bus connects when it can. */
export async function openBus(
  { nats, allowInsecureBackends }: { readonly nats: NatsConfig; readonly allowInsecureBackends: boolean },
  { service, log, metrics }: Parts,
): Promise<Bus> {
  const { openNatsBus } = await import('../nats/index.ts');
  const { servers, user, passwordFile, caFile } = nats;
  return openNatsBus({
    name: service,
    servers,
    user,
    passwordFile,
    ...(caFile === undefined ? { allowInsecurePlaintext: allowInsecureBackends } : { caFile }),
    log,
    metrics,
  });
}

/** As the service's own role. Throws `DatabaseError`; `unavailable` is worth another try. */
export async function openDatabase(
  config: DatabaseConfig,
  { allowInsecureBackends }: { readonly allowInsecureBackends: boolean },
  metrics: Metrics,
): Promise<DatabaseHost> {
  const { openPostgres } = await import('../postgres/index.ts');
  const { host, port, database, user, passwordFile, caFile, maxConnections } = config;
  return openPostgres({
    ...{ host, port, database, user, maxConnections, metrics },
    // Read for each connection, so that a changed password needs no restart.
    password: async () => secretIn(passwordFile),
    tls:
      caFile === undefined && allowInsecureBackends
        ? 'unsafe-plaintext'
        : { caPem: caFile === undefined ? undefined : await readFile(caFile, 'utf8') },
  });
}
