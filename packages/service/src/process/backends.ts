/** The bus and the database of the cluster profile, from their configuration. Loaded on first use: not every process has them. */
import type { Bus } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import type { DatabaseHost } from '../database/index.ts';
import { unavailable } from '../errors/index.ts';
import type { ServiceName } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import type { DatabaseConfig, NatsConfig } from './config.ts';

export async function openBus(
  _config: { readonly nats: NatsConfig },
  _parts: { readonly service: ServiceName; readonly clock: Clock; readonly log: Log },
): Promise<Bus> {
  throw unavailable('the bus is not built yet');
}

export async function openDatabase(
  _config: DatabaseConfig,
  _parts: { readonly service: ServiceName; readonly log: Log },
): Promise<DatabaseHost> {
  throw unavailable('the database is not built yet');
}
