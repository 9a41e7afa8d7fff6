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
    const { command } = await connection.connection.query('commit', []);
    if (command === 'ROLLBACK') {
      const message =
        'a statement of the transaction failed and its error was swallowed: rolled back, not committed';
      throw new DatabaseError('invalid_statement', message);
    }
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    if (connection instanceof SourceConnection) await this.#source.release(connection.connection);
  }

  async destroy(): Promise<void> {
    await this.#source.close();
  }
}

export function sourceDialect(source: SqlSource): Dialect {
  return {
    createDriver: () => new SourceDriver(source),
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
  };
}
