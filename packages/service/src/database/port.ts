/**
 * The database port: Postgres behind Kysely, one schema and one role per service.
 *
 * Two back-ends share it: PGlite in a worker thread (`openPglite`, embedded profile) and a pool of connections to a
 * Postgres server (`openPostgres` in `@sallyport/service/postgres`, cluster profile). Both run the same migrations and
 * pass `test/contract/database.ts`.
 *
 * Values: `int8` and `numeric`-free counts are `bigint`, `bytea` is `Uint8Array`, `timestamptz` is `Date`
 * (millisecond precision), `json`/`jsonb` are parsed. A `bigint`, `Uint8Array`, `Date` or plain object may be a
 * parameter wherever the column has the matching type, and an array of them where it has an array type or is JSON.
 */
import type { Kysely, Transaction } from 'kysely';

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable';

export interface TransactionOptions {
  /** Default `read committed`, as in Postgres. */
  readonly isolation?: IsolationLevel;
}

/** One forward-only step. `id` sorts and never changes; `up` is SQL text, one or more statements. */
export interface Migration {
  readonly id: string;
  readonly up: string;
}

export interface MigrationReport {
  /** Ids applied by this call, in order; empty when the schema was current. */
  readonly applied: readonly string[];
  /** Id of the last migration now in place, if any. */
  readonly current: string | undefined;
}

/** One service's view of the database: its own schema, under its own role, and nothing else. */
export interface Database<Schema> extends AsyncDisposable {
  readonly kysely: Kysely<Schema>;
  /**
   * Runs `fn` in a transaction; commits when it resolves, rolls back when it rejects (with the same error).
   * When this resolves the rows are on disk. Throws `DatabaseError`; `outcome_unknown` when the connection was lost
   * during the commit.
   * `fn` may run up to five times: one that lost against a concurrent transaction (`serialization_failure`) is rolled
   * back and run again. So its only effects are those of `tx`, and what it returns.
   * Use only `tx` inside `fn`: with a single connection, `kysely` would wait for this very transaction.
   */
  transaction<T>(fn: (tx: Transaction<Schema>) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Applies what is missing, each migration in its own transaction. Throws `MigrationError` when an applied
   * migration changed, is unknown to this list, or is out of order: the service must not start then. Replicas that
   * start at once migrate one after the other.
   */
  migrate(migrations: readonly Migration[]): Promise<MigrationReport>;
  /** Readiness: one round trip as the service's role. Throws `DatabaseError`. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** How many statements and transactions may wait for a connection. Default 1024; beyond it `overloaded`. */
  readonly maxQueue?: number;
  /** How long one may wait for a connection. Default 10 000 ms; then `deadline_exceeded`. */
  readonly acquireTimeoutMs?: number;
  /** How long a statement or an idle transaction may hold a connection. Default 30 000 ms; then `deadline_exceeded`. */
  readonly holdTimeoutMs?: number;
}

/** Hands out databases that share one server (or one PGlite instance). */
export interface DatabaseHost extends AsyncDisposable {
  /**
   * The database of `service` (`[a-z][a-z0-9-]{0,40}`). Embedded, schema and role are made when missing; on a server they
   * are there before (`provisionPostgres`). Once per service and process.
   */
  forService<Schema>(service: string, options?: DatabaseOptions): Promise<Database<Schema>>;
  close(): Promise<void>;
}
