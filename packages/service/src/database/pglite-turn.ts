import { packRows } from './byte-arena.ts';
import { DatabaseError } from './error.ts';
import type { SqlConnection, SqlResult } from './sql-source.ts';
import type { EndTurn } from './turn-queue.ts';
import { StatementError, type Unnumbered, type WorkerLink } from './worker-link.ts';

/** One turn on the connection. Past its time it refuses every further statement. */
export class Turn implements SqlConnection {
  readonly #link: WorkerLink;
  readonly #role: string | undefined;
  readonly #endTurn: EndTurn;
  readonly #timer: NodeJS.Timeout;
  #expire: (error: DatabaseError) => void = () => undefined;
  readonly #expired: Promise<never>;
  #over: DatabaseError | undefined;
  #running: Promise<unknown> = Promise.resolve();
  #inTransaction = false;

  constructor(link: WorkerLink, role: string | undefined, endTurn: EndTurn, holdTimeoutMs: number) {
    this.#link = link;
    this.#role = role;
    this.#endTurn = endTurn;
    this.#expired = new Promise((_, reject) => {
      this.#expire = reject;
    });
    this.#expired.catch(() => undefined); // nobody may be waiting when it expires
    this.#timer = setTimeout(() => {
      const message = `the database was held for more than ${holdTimeoutMs} ms; whether the last statement took effect is unknown`;
      void this.end(new DatabaseError('deadline_exceeded', message));
    }, holdTimeoutMs);
  }

  query(sql: string, parameters: readonly unknown[]): Promise<SqlResult> {
    const given = parameters.map((value) => (value === undefined ? null : value));
    return this.#run({ kind: 'query', role: this.#role, sql, parameters: packRows([given]) });
  }

  async script(sql: string): Promise<void> {
    await this.#run({ kind: 'script', role: this.#role, sql });
  }

  #run(message: Unnumbered): Promise<SqlResult> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const result = this.#running.then(() => this.#send(message));
    this.#running = result.catch(() => undefined);
    return Promise.race([result, this.#expired]);
  }

  async #send(message: Unnumbered): Promise<SqlResult> {
    try {
      const result = await this.#link.request(message);
      this.#inTransaction = result.inTransaction;
      return result;
    } catch (error) {
      if (error instanceof StatementError) this.#inTransaction = error.inTransaction;
      throw error;
    }
  }

  /** Waits for the running statement, rolls back what is open, passes the turn on. */
  async end(error: DatabaseError): Promise<void> {
    if (this.#over !== undefined) return;
    this.#over = error;
    clearTimeout(this.#timer);
    this.#expire(error);
    await this.#running;
    if (this.#inTransaction) {
      const rollback = { kind: 'script', role: this.#role, sql: 'rollback' } as const;
      await this.#link.request(rollback).catch(() => undefined); // fails only when the worker is gone
    }
    this.#endTurn();
  }
}
