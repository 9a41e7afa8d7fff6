/** The `Database` port over any `SqlSource`. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely } from 'kysely';
import { sourceDialect } from './dialect.ts';
import { isDatabaseError } from './error.ts';
import { runMigrations } from './migrate.ts';
import type { Database } from './port.ts';
import type { SqlConnection, SqlSource } from './sql-source.ts';

/** A transaction that lost against another is run this often in all. */
const TRANSACTION_ATTEMPTS = 5;
/** Before the second attempt up to this long, then twice as long each time: so that the same do not meet again. */
const RETRY_WITHIN_MS = 10;
/** Of a readiness question; a paused server must not hold it up for as long as a statement may take. */
const CHECK_TIMEOUT_MS = 3000;
/** Another replica may be migrating, and then it is this one's turn. */
const MIGRATION_TIMEOUT_MS = 10 * 60_000;

export function createDatabase<Schema>(source: SqlSource): Database<Schema> {
  const kysely = new Kysely<Schema>({ dialect: sourceDialect(source) });

  async function withConnection<T>(
    holdTimeoutMs: number,
    use: (connection: SqlConnection) => Promise<T>,
  ): Promise<T> {
    const connection = await source.acquire({ holdTimeoutMs });
    try {
      return await use(connection);
    } finally {
      await source.release(connection);
    }
  }

  async function close(): Promise<void> {
    await kysely.destroy();
    await source.close(); // Kysely closes its driver only when it was used
  }

  return {
    kysely,
    async transaction(fn, options = {}) {
      const { isolation } = options;
      for (let attempt = 1; ; attempt += 1) {
        const builder = kysely.transaction();
        try {
          return await (isolation === undefined ? builder : builder.setIsolationLevel(isolation)).execute(fn);
        } catch (error) {
          if (!isDatabaseError(error, 'serialization_failure') || attempt === TRANSACTION_ATTEMPTS)
            throw error;
          await sleep(randomInt(RETRY_WITHIN_MS * 2 ** (attempt - 1) + 1));
        }
      }
    },
    migrate: (migrations) =>
      withConnection(MIGRATION_TIMEOUT_MS, (connection) => runMigrations(connection, migrations)),
    async check() {
      await withConnection(CHECK_TIMEOUT_MS, (connection) => connection.query('select 1', []));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
