/** The `Database` port over any `SqlSource`. */
import { Kysely } from 'kysely';
import { sourceDialect } from './dialect.ts';
import { runMigrations } from './migrate.ts';
import type { Database } from './port.ts';
import type { SqlConnection, SqlSource } from './sql-source.ts';

export function createDatabase<Schema>(source: SqlSource): Database<Schema> {
  const kysely = new Kysely<Schema>({ dialect: sourceDialect(source) });

  async function withConnection<T>(use: (connection: SqlConnection) => Promise<T>): Promise<T> {
    const connection = await source.acquire();
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
    transaction(fn, options = {}) {
      const builder = kysely.transaction();
      return (
        options.isolation === undefined ? builder : builder.setIsolationLevel(options.isolation)
      ).execute(fn);
    },
    migrate: (migrations) => withConnection((connection) => runMigrations(connection, migrations)),
    async check() {
      await withConnection((connection) => connection.query('select 1', []));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
