/** One holder's time with a pooled connection, the counterpart of `Turn`: bounded, and clean when it is given back. */
import type { QueryConfig } from 'pg';
import { DatabaseError } from '../database/error.ts';
import type { SqlConnection, SqlResult } from '../database/sql-source.ts';
import type { PostgresClient } from './client.ts';
import { databaseErrorOf, isFatal } from './errors.ts';
import type { ParameterTypes } from './parameter-types.ts';
import { parameterOf } from './values.ts';

/** Statements that may leave something behind in the session. */
const sessionChange = /^\s*(?:set|reset|discard|do|call|listen|prepare|load)\b|set_config|advisory_lock/i;
/** Commands whose row count is of rows that they changed. */
const changing: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
const CLEAN_UP_TIMEOUT_MS = 5000;

export interface LeaseOptions {
  readonly holdTimeoutMs: number;
  readonly parameterTypes: ParameterTypes;
  /** Called once; `reusable` is false for a connection that was broken off. */
  readonly giveBack: (reusable: boolean) => void;
}

export class Lease implements SqlConnection {
  readonly #client: PostgresClient;
  readonly #options: LeaseOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #expired = Promise.withResolvers<never>();
  #over: DatabaseError | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #changed = false;

  constructor(client: PostgresClient, options: LeaseOptions) {
    this.#client = client;
    this.#options = options;
    this.#expired.promise.catch(() => undefined); // nobody may be waiting when it expires
    const { holdTimeoutMs } = options;
    this.#timer = setTimeout(() => {
      const message = `the database was held for more than ${holdTimeoutMs} ms; whether the last statement took effect is unknown`;
      this.#breakOff(new DatabaseError('deadline_exceeded', message));
    }, holdTimeoutMs);
  }

  query(sql: string, parameters: readonly unknown[]): Promise<SqlResult> {
    if (sessionChange.test(sql)) this.#changed = true;
    return this.#run(async () => {
      const values = await this.#valuesOf(sql, parameters);
      // Always the extended protocol: with the simple one, a text could hold several statements.
      const statement: QueryConfig & { queryMode: 'extended' } = { text: sql, values, queryMode: 'extended' };
      const result = await this.#client.query<SqlResult['rows'][number]>(statement);
      const { command, rowCount } = result;
      return {
        rows: result.rows,
        affectedRows: changing.has(command) ? BigInt(rowCount ?? 0) : undefined,
        command,
      };
    });
  }

  async script(sql: string): Promise<void> {
    this.#changed = true;
    await this.#run(() => this.#client.query(sql));
  }

  /** Waits for the running statement, rolls back what is open, undoes what it did to the session, gives it back. */
  async end(error: DatabaseError): Promise<void> {
    if (this.#over !== undefined) return;
    this.#over = error;
    clearTimeout(this.#timer);
    const timer = setTimeout(() => this.#client.abort(), CLEAN_UP_TIMEOUT_MS);
    await this.#running;
    let reusable = false;
    try {
      if (this.#client.getTransactionStatus() !== 'I') await this.#client.query('rollback');
      if (this.#changed) await this.#client.query('discard all');
      reusable = !this.#client.broken;
    } catch {
      this.#client.abort();
    }
    clearTimeout(timer);
    this.#options.giveBack(reusable);
  }

  async #valuesOf(sql: string, parameters: readonly unknown[]): Promise<(string | Buffer | null)[]> {
    const types = parameters.some(Array.isArray)
      ? await this.#options.parameterTypes.of(this.#client, sql)
      : [];
    return parameters.map((value, index) => parameterOf(value, types[index]));
  }

  /** One statement at a time, as the protocol has it. */
  #run<T>(statement: () => Promise<T>): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const result = this.#running.then(async () => {
      try {
        if (this.#over !== undefined) throw this.#over;
        return await statement();
      } catch (error) {
        if (isFatal(error)) this.#client.broken = true;
        throw databaseErrorOf(error);
      }
    });
    this.#running = result.catch(() => undefined);
    return Promise.race([result, this.#expired.promise]);
  }

  /** Nobody waits for a server that does not answer; it rolls back when it finds out. */
  #breakOff(error: DatabaseError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#expired.reject(error);
    this.#client.abort();
    this.#options.giveBack(false);
  }
}
