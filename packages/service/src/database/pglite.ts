/** The embedded back-end: one PGlite in a worker thread, one connection, shared by all services of the process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createDatabase } from './database.ts';
import { DatabaseError } from './error.ts';
import { Turn } from './pglite-turn.ts';
import type { DatabaseHost, DatabaseOptions } from './port.ts';
import { roleOf } from './service-name.ts';
import type { SqlSource } from './sql-source.ts';
import { TurnQueue } from './turn-queue.ts';
import { WorkerLink } from './worker-link.ts';

export type PgliteOptions =
  /** Its parent exists. Nobody else may have it open: lock the state folder first. */
  | { readonly dataDir: string; readonly startTimeoutMs?: number }
  /** Gone when closed; for tests. */
  | { readonly memory: true; readonly startTimeoutMs?: number };

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
      async acquire(limits) {
        if (isClosed) throw closed();
        const endTurn = await turns.take(service, { maxQueue, acquireTimeoutMs });
        return new Turn(link, role, endTurn, limits?.holdTimeoutMs ?? holdTimeoutMs);
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
      const role = roleOf(service);
      if (taken.has(service)) {
        throw new DatabaseError(
          'invalid_statement',
          `the database of ${service} is already open in this process`,
        );
      }
      taken.add(service);
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
