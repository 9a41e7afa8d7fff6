/** The cluster profile's back-end: a pool of connections to a Postgres server, as one service's own role. */
import { Pool } from 'pg';
import { createDatabase } from '../database/database.ts';
import { DatabaseError } from '../database/error.ts';
import type { DatabaseHost, DatabaseOptions } from '../database/port.ts';
import type { Metrics } from '../metrics/index.ts';
import { roleOf } from '../database/service-name.ts';
import type { SqlSource } from '../database/sql-source.ts';
import { TurnQueue } from '../database/turn-queue.ts';
import { PostgresClient } from './client.ts';
import { databaseErrorOf } from './errors.ts';
import { Lease } from './lease.ts';
import { createParameterTypes } from './parameter-types.ts';
import { checkRights } from './rights.ts';
import { connectionConfig, type PostgresServer } from './server.ts';
import { valueTypes } from './values.ts';

export interface PostgresOptions extends PostgresServer {
  /** Default 8; further callers wait, as `DatabaseOptions` says. */
  readonly maxConnections?: number;
  /** For TCP, TLS and credentials together. Default 5000; then `unavailable`. */
  readonly connectTimeoutMs?: number;
  /** Gets the use of the pool. */
  readonly metrics?: Pick<Metrics, 'gauge'>;
}

const IDLE_MS = 60_000;
/** A connection is replaced now and then, so that memory of the server and changed addresses do not stay for ever. */
const LIFETIME_SECONDS = 60 * 60;
const CLOSE_TIMEOUT_MS = 10_000;
/** More than the client's own limit: for a client that is gone without a word. */
const IDLE_IN_TRANSACTION_EXTRA_MS = 5000;
const closed = (): DatabaseError => new DatabaseError('closed', 'the database is closed');

/**
 * Connects once, so that a wrong name, certificate or password shows now. Throws `DatabaseError`: `unavailable` is worth
 * another try later. `forService` throws `insufficient_privilege` for a user that may more than a service should, and
 * for one that was not provisioned. Connections that break are replaced; whoever was using one gets `unavailable`.
 */
export async function openPostgres(options: PostgresOptions): Promise<DatabaseHost> {
  const open = new Map<string, { close(): Promise<void> }>();
  const probe = openSource('sallyport', undefined, options, {});
  try {
    const connection = await probe.acquire();
    await probe.release(connection);
  } finally {
    await probe.close();
  }

  async function close(): Promise<void> {
    await Promise.all([...open.values()].map((database) => database.close()));
  }

  return {
    async forService<Schema>(service: string, databaseOptions: DatabaseOptions = {}) {
      const role = roleOf(service);
      if (open.has(service)) {
        const message = `the database of ${service} is already open in this process`;
        throw new DatabaseError('invalid_statement', message);
      }
      const source = openSource(`sallyport ${service}`, role, options, databaseOptions);
      const database = createDatabase<Schema>({
        ...source,
        close: () => {
          open.delete(service);
          return source.close();
        },
      });
      open.set(service, database);
      try {
        await checkRights(source, { user: options.user, schema: role });
      } catch (error) {
        await database.close();
        throw error;
      }
      return database;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function openSource(
  applicationName: string,
  schema: string | undefined,
  options: PostgresOptions,
  { maxQueue = 1024, acquireTimeoutMs = 10_000, holdTimeoutMs = 30_000 }: DatabaseOptions,
): SqlSource {
  const { maxConnections = 8, connectTimeoutMs = 5000 } = options;
  const limits = {
    statementTimeoutMs: holdTimeoutMs,
    // Half, so that who waits in vain for a row hears of it, and not of a statement that took long.
    lockTimeoutMs: Math.ceil(holdTimeoutMs / 2),
    idleInTransactionTimeoutMs: holdTimeoutMs + IDLE_IN_TRANSACTION_EXTRA_MS,
  };
  const pool = new Pool({
    ...connectionConfig({ ...options, applicationName, connectTimeoutMs, limits, schema }),
    types: valueTypes,
    max: maxConnections,
    idleTimeoutMillis: IDLE_MS,
    maxLifetimeSeconds: LIFETIME_SECONDS,
    Client: PostgresClient,
  });
  pool.on('error', () => undefined); // an idle connection broke, and the pool let go of it
  const clients = new Set<PostgresClient>();
  pool.on('connect', (client) => {
    if (client instanceof PostgresClient) clients.add(client);
  });
  pool.on('remove', (client) => {
    if (client instanceof PostgresClient) clients.delete(client);
  });
  const turns = new TurnQueue(maxConnections);
  if (schema !== undefined && options.metrics !== undefined)
    measurePool(options.metrics, pool, maxConnections);
  const parameterTypes = createParameterTypes();
  let ended: Promise<void> | undefined;

  return {
    async acquire(own) {
      const endTurn = await turns.take(applicationName, { maxQueue, acquireTimeoutMs });
      try {
        const client = await pool.connect();
        if (!(client instanceof PostgresClient)) throw new TypeError('the pool makes clients of one kind');
        const lease = new Lease(client, {
          holdTimeoutMs: own?.holdTimeoutMs ?? holdTimeoutMs,
          parameterTypes,
          giveBack: (reusable) => {
            client.release(!reusable);
            endTurn();
          },
        });
        if (own !== undefined && own.holdTimeoutMs > holdTimeoutMs) {
          await lease.script(`set statement_timeout = ${own.holdTimeoutMs}; set lock_timeout = 0`);
        }
        return lease;
      } catch (error) {
        endTurn();
        throw databaseErrorOf(error);
      }
    },
    async release(connection) {
      if (connection instanceof Lease) await connection.end(closed());
    },
    close() {
      ended ??= end();
      return ended;
    },
  };

  async function end(): Promise<void> {
    const idle = turns.close(closed());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
    });
    await Promise.race([idle, late]);
    await Promise.race([pool.end(), late]);
    clearTimeout(timer);
    for (const client of clients) client.abort(); // a paused server does not say goodbye
  }
}

function measurePool(metrics: Pick<Metrics, 'gauge'>, pool: Pool, maxConnections: number): void {
  const connections = metrics.gauge({
    name: 'database_connections',
    help: 'Connections to the database by state: in use, idle, or still to be made within the limit',
    labels: ['state'],
    collect() {
      connections.set({ state: 'in_use' }, pool.totalCount - pool.idleCount);
      connections.set({ state: 'idle' }, pool.idleCount);
      connections.set({ state: 'unmade' }, Math.max(0, maxConnections - pool.totalCount));
      return undefined;
    },
  });
}
