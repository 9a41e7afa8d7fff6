/** The bus and the database of the cluster profile, from their configuration. Loaded on first use: not every process has them. */
import type { Bus } from '../bus/index.ts';
import type { DatabaseHost } from '../database/index.ts';
import { unavailable } from '../errors/index.ts';
import type { ServiceName } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { DatabaseConfig, NatsConfig } from './config.ts';

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

export async function openDatabase(_config: DatabaseConfig, _parts: Parts): Promise<DatabaseHost> {
  throw unavailable('the database is not built yet');
}
