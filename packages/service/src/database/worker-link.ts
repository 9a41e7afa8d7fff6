/** The host's end of the worker: numbered requests, all of which fail when the worker dies. */
import { Worker } from 'node:worker_threads';
import { unpackRows } from './byte-arena.ts';
import { DatabaseError } from './error.ts';
import type { WorkerReply, WorkerRequest, WorkerStart } from './pglite-messages.ts';
import { ServerError, type ServerErrorFields } from './server-error.ts';
import type { SqlResult } from './sql-source.ts';

type Pending = (reply: WorkerReply) => void;
export type Unnumbered = WorkerRequest extends infer R
  ? R extends WorkerRequest
    ? Omit<R, 'id'>
    : never
  : never;

export class WorkerLink {
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
    if (reply.kind === 'error') throw new StatementError(reply.error, reply.inTransaction);
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

/** What Postgres refused, and whether a transaction is open after it. */
export class StatementError extends ServerError {
  readonly inTransaction: boolean;

  constructor(fields: ServerErrorFields, inTransaction: boolean) {
    super(fields);
    this.inTransaction = inTransaction;
  }
}
