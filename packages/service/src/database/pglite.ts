/** The embedded back-end: one PGlite in a worker thread, one connection, shared by all services of the process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { packRows, unpackRows } from './byte-arena.ts';
import { createDatabase } from './database.ts';
import { DatabaseError, kindOfSqlState } from './error.ts';
import type { ServerErrorFields, WorkerReply, WorkerRequest, WorkerStart } from './pglite-messages.ts';
import type { DatabaseHost, DatabaseOptions } from './port.ts';
import type { SqlConnection, SqlResult, SqlSource } from './sql-source.ts';
import { TurnQueue, type EndTurn } from './turn-queue.ts';

export type PgliteOptions =
  /** Its parent exists. Nobody else may have it open: lock the state folder first. */
  | { readonly dataDir: string; readonly startTimeoutMs?: number }
  /** Gone when closed; for tests. */
  | { readonly memory: true; readonly startTimeoutMs?: number };

type Pending = (reply: WorkerReply) => void;
type Unnumbered = WorkerRequest extends infer R ? (R extends WorkerRequest ? Omit<R, 'id'> : never) : never;

/** Requests by number over a worker; all of them fail when it dies. */
class WorkerLink {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #onDeath: (error: DatabaseError) => void;
  readonly exited: Promise<void>;
  #lastId = 0;
  #dead: DatabaseError | undefined;

  constructor(start: WorkerStart, onDeath: (error: DatabaseError) => void) {
    this.#onDeath = onDeath;
    this.#worker = new Worker(new URL('./pglite-worker.ts', import.meta.url), {
      name: 'sallyport-database',
      workerData: start,
      execArgv: [],
    });
    this.#worker.on('message', (reply: WorkerReply) => {
      if (reply.kind === 'fatal') {
        this.#die(new DatabaseError('unavailable', `the database engine failed: ${reply.message}`));
        void this.#worker.terminate();
        return;
      }
      const settle = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      settle?.(reply);
    });
    this.#worker.on('error', (cause) =>
      this.#die(new DatabaseError('unavailable', 'the database worker failed', { cause })),
    );
    this.exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#die(new DatabaseError('unavailable', 'the database worker ended'));
        resolve();
      });
    });
  }

  /** Resolves with the reply to `id` 0, which the worker sends by itself. */
  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#die(new DatabaseError('unavailable', `the database did not start within ${timeoutMs} ms`));
        void this.#worker.terminate();
      }, timeoutMs);
      this.#pending.set(0, () => {
        clearTimeout(timer);
        if (this.#dead === undefined) resolve();
        else reject(this.#dead);
      });
    });
  }

  async request(message: Unnumbered): Promise<SqlResult & { readonly inTransaction: boolean }> {
    if (this.#dead !== undefined) throw this.#dead;
    const id = ++this.#lastId;
    const reply = await new Promise<WorkerReply>((resolve) => {
      this.#pending.set(id, resolve);
      const transfer =
        message.kind === 'query' ? [message.parameters.arena, message.parameters.places.buffer] : [];
      this.#worker.postMessage({ ...message, id }, transfer);
    });
    if (reply.kind === 'error') throw new ServerError(reply.error, reply.inTransaction);
    if (reply.kind !== 'result')
      throw this.#dead ?? new DatabaseError('unavailable', 'the database worker ended');
    const { columns } = reply;
    const rows = unpackRows(reply.rows).map((values) =>
      Object.fromEntries(columns.map((column, index) => [column, values[index]])),
    );
    const affectedRows = reply.affectedRows === undefined ? undefined : BigInt(reply.affectedRows);
    return { rows, affectedRows, command: reply.command, inTransaction: reply.inTransaction };
  }

  /** Lets Postgres shut down in order; terminates it when that takes longer than `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#dead === undefined) this.#worker.postMessage({ id: ++this.#lastId, kind: 'close' });
    const timer = setTimeout(() => void this.#worker.terminate(), timeoutMs);
    await this.exited;
    clearTimeout(timer);
  }

  #die(error: DatabaseError): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#onDeath(error);
    for (const [id, settle] of this.#pending) settle({ id, kind: 'fatal', message: error.message });
    this.#pending.clear();
  }
}

class ServerError extends DatabaseError {
  readonly inTransaction: boolean;

  constructor(fields: ServerErrorFields, inTransaction: boolean) {
    const kind = kindOfSqlState(fields.sqlState);
    const place = [fields.table, fields.column, fields.constraint]
      .filter((part) => part !== undefined)
      .join(', ');
    const what = fields.message ?? kind.replaceAll('_', ' ');
    super(kind, `${what}${place === '' ? '' : ` (${place})`} [${fields.sqlState ?? '?'}]`, fields);
    this.inTransaction = inTransaction;
  }
}

/** One turn on the connection. Past its time it refuses every further statement. */
class Turn implements SqlConnection {
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
      if (error instanceof ServerError) this.#inTransaction = error.inTransaction;
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

const servicePattern = /^(?!public$|postgres$|pg-|information-schema$)[a-z][a-z0-9-]{0,40}$/;
const closeTimeoutMs = 10_000;
const closed = (): DatabaseError => new DatabaseError('closed', 'the database is closed');
const provisioning = { maxQueue: 64, acquireTimeoutMs: 60_000 };

/** Opens, or makes, the database. Throws `DatabaseError` (`unavailable`) when the engine does not start. */
export async function openPglite(options: PgliteOptions): Promise<DatabaseHost> {
  const turns = new TurnQueue();
  const dataDir = 'dataDir' in options ? options.dataDir : undefined;
  const link = new WorkerLink({ dataDir }, (error) => void turns.close(error));
  await link.ready(options.startTimeoutMs ?? 60_000);

  const taken = new Set<string>();

  function source(service: string, role: string | undefined, databaseOptions: DatabaseOptions): SqlSource {
    const { maxQueue = 1024, acquireTimeoutMs = 10_000, holdTimeoutMs = 30_000 } = databaseOptions;
    let isClosed = false;
    return {
      async acquire() {
        if (isClosed) throw closed();
        const endTurn = await turns.take(service, { maxQueue, acquireTimeoutMs });
        return new Turn(link, role, endTurn, holdTimeoutMs);
      },
      async release(connection) {
        if (connection instanceof Turn) await connection.end(closed());
      },
      async close() {
        isClosed = true;
        taken.delete(service);
      },
    };
  }

  const admin = source('provisioning', undefined, { ...provisioning, holdTimeoutMs: 60_000 });

  async function asAdmin(sql: string): Promise<void> {
    const connection = await admin.acquire();
    try {
      await connection.script(sql);
    } finally {
      await admin.release(connection);
    }
  }

  // Nothing is anybody's by default; a service gets its own schema and no more.
  await asAdmin('revoke all on schema public from public; revoke all on database postgres from public;');

  async function close(): Promise<void> {
    const idle = turns.close(closed());
    await Promise.race([idle, sleep(closeTimeoutMs, undefined, { ref: false }), link.exited]);
    await link.close(closeTimeoutMs);
  }

  return {
    async forService<Schema>(service: string, databaseOptions: DatabaseOptions = {}) {
      if (!servicePattern.test(service)) {
        throw new DatabaseError(
          'invalid_statement',
          `service name ${service} must match ${servicePattern.source}`,
        );
      }
      if (taken.has(service)) {
        throw new DatabaseError(
          'invalid_statement',
          `the database of ${service} is already open in this process`,
        );
      }
      taken.add(service);
      const role = service.replaceAll('-', '_');
      await asAdmin(
        `do $$ begin
           if not exists (select from pg_roles where rolname = '${role}') then
             create role "${role}" nologin nosuperuser nocreatedb nocreaterole noinherit;
           end if;
         end $$;
         create schema if not exists "${role}" authorization "${role}";`,
      );
      return createDatabase<Schema>(source(service, role, databaseOptions));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
