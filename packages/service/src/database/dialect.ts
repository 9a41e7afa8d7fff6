/** Kysely over a `SqlSource`: Postgres' own compiler, adapter and introspector with our driver underneath. */
import {
  CompiledQuery,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import { DatabaseError } from './error.ts';
import type { SqlConnection, SqlSource } from './sql-source.ts';

class SourceConnection implements DatabaseConnection {
  readonly connection: SqlConnection;

  constructor(connection: SqlConnection) {
    this.connection = connection;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, affectedRows } = await this.connection.query(query.sql, query.parameters);
    return {
      // Kysely types rows by the schema it was given; the database is what makes that true.
      rows: rows as unknown as R[],
      ...(affectedRows === undefined ? {} : { numAffectedRows: affectedRows }),
    };
  }

  // oxlint-disable-next-line require-yield -- the interface asks for a generator; there are no cursors here.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new DatabaseError('invalid_statement', 'streaming is not supported: page by key instead');
  }
}

class SourceDriver implements Driver {
  readonly #source: SqlSource;

  constructor(source: SqlSource) {
    this.#source = source;
  }

  async init(): Promise<void> {
    // The source is open before a dialect is made of it.
  }

  async acquireConnection(): Promise<SourceConnection> {
    return new SourceConnection(await this.#source.acquire());
  }

  async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const isolation =
      settings.isolationLevel === undefined ? '' : ` isolation level ${settings.isolationLevel}`;
    const access = settings.accessMode === undefined ? '' : ` ${settings.accessMode}`;
    await connection.executeQuery(CompiledQuery.raw(`begin${isolation}${access}`));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    if (!(connection instanceof SourceConnection)) return;
    const { command } = await connection.connection.query('commit', []).catch((error: unknown) => {
      throw isOutcomeUnknown(error) ? outcomeUnknown(error) : error;
    });
    if (command === 'ROLLBACK') {
      const message =
        'a statement of the transaction failed and its error was swallowed: rolled back, not committed';
      throw new DatabaseError('invalid_statement', message);
    }
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // When it fails, `release` sees to it; the caller hears of the error that led here.
    await connection.executeQuery(CompiledQuery.raw('rollback')).catch(() => undefined);
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    if (connection instanceof SourceConnection) await this.#source.release(connection.connection);
  }

  async destroy(): Promise<void> {
    await this.#source.close();
  }
}

/** An answer from the server says that it did not commit, unless the server says it as it goes (classes 08 and 57). */
function isOutcomeUnknown(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  const { kind, sqlState } = error;
  const lost = kind === 'unavailable' || kind === 'deadline_exceeded' || kind === 'closed';
  return lost && (sqlState === undefined || /^(?:08|57)/.test(sqlState));
}

function outcomeUnknown(cause: unknown): DatabaseError {
  const message = 'the connection was lost during the commit: whether it took effect is unknown';
  return new DatabaseError('outcome_unknown', message, { cause });
}

export function sourceDialect(source: SqlSource): Dialect {
  return {
    createDriver: () => new SourceDriver(source),
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  };
}
