/**
 * The worker thread that owns the PGlite instance. PGlite blocks its thread while a statement runs, so it must not be
 * the one that moves messages. Requests are answered in order; the host sends one at a time.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite, types } from '@electric-sql/pglite';
import { packRows, unpackRows } from './byte-arena.ts';
import { DurableNodeFs, durableStartParams, syncFolder, syncTree } from './durable-node-fs.ts';
import type { WorkerReply, WorkerRequest, WorkerStart } from './pglite-messages.ts';
import { serverErrorFields } from './server-error.ts';

if (parentPort === null) throw new Error('pglite-worker.ts runs as a worker thread only');
const port = parentPort;
const { dataDir } = workerData as WorkerStart;

class ParameterError extends Error {}

const valueOptions = {
  // int8 beyond 2^53 must not lose digits, and a type that depends on the value helps nobody.
  parsers: {
    [types.INT8]: (text: string) => BigInt(text),
    [types.BYTEA]: (text: string) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
  },
  serializers: {
    [types.BYTEA]: (value: unknown) => {
      if (!(value instanceof Uint8Array)) throw new ParameterError('a bytea parameter is a Uint8Array');
      return `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
    },
  },
};

function openFolder(folder: string): Promise<PGlite> {
  return PGlite.create({
    fs: new DurableNodeFs(folder),
    startParams: [...durableStartParams],
    relaxedDurability: false,
    ...valueOptions,
  });
}

/** A new cluster is made beside its place and renamed into it: a crash while making it leaves nothing half-made. */
async function open(): Promise<PGlite> {
  if (dataDir === undefined) return PGlite.create({ dataDir: 'memory://', ...valueOptions });
  if (!existsSync(dataDir)) {
    const unfinished = `${dataDir}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    const first = await openFolder(unfinished);
    await first.exec('CHECKPOINT');
    await first.close();
    syncTree(unfinished); // the checkpoint flushes tables; what was unpacked around them nobody has
    renameSync(unfinished, dataDir);
    syncFolder(dirname(dataDir));
  }
  return openFolder(dataDir);
}

const quote = (identifier: string): string => `"${identifier.replaceAll('"', '""')}"`;

/** Statements that may leave something behind in the session. */
const sessionChange = /^\s*(?:set|reset|discard|do|call|listen|prepare)\b|set_config/i;

/** `null`: unknown, so the next statement sets it again. */
let currentRole: string | undefined | null = null;

async function becomeRole(db: PGlite, role: string | undefined): Promise<void> {
  if (currentRole === role || db.isInTransaction()) return;
  const then = role === undefined ? '' : `SET ROLE ${quote(role)}; SET search_path TO ${quote(role)};`;
  await db.exec(`RESET ROLE; RESET ALL; ${then}`);
  currentRole = role;
}

async function answer(db: PGlite, request: Exclude<WorkerRequest, { kind: 'close' }>): Promise<WorkerReply> {
  await becomeRole(db, request.role);
  if (request.kind === 'script' || sessionChange.test(request.sql)) currentRole = null;
  if (request.kind === 'script') {
    await db.exec(request.sql);
    const none = packRows([]);
    return {
      id: request.id,
      kind: 'result',
      columns: [],
      rows: none,
      affectedRows: undefined,
      command: undefined,
      inTransaction: db.isInTransaction(),
    };
  }
  const [parameters = []] = unpackRows(request.parameters);
  const result = await db.query<unknown[]>(request.sql, parameters, { rowMode: 'array' });
  return {
    id: request.id,
    kind: 'result',
    columns: result.fields.map((field) => field.name),
    rows: packRows(result.rows),
    affectedRows: result.affectedRows,
    command: result.command,
    inTransaction: db.isInTransaction(),
  };
}

/** A trap or an exit of the wasm module, as against an error that Postgres reports and survives. */
const engineFailures: ReadonlySet<string> = new Set(['RuntimeError', 'ExitStatus']);

function failure(id: number, error: unknown, db: PGlite): WorkerReply {
  const known = serverErrorFields(error);
  if (known !== undefined) return { id, kind: 'error', error: known, inTransaction: db.isInTransaction() };
  if (error instanceof Error && engineFailures.has(error.name)) {
    return { id, kind: 'fatal', message: error.message };
  }
  // A parameter that cannot be serialised for its column: PGlite throws before the statement runs. Its own messages
  // quote the value.
  const message = error instanceof ParameterError ? error.message : 'a parameter does not fit its column';
  const invalid = { sqlState: '22000', message, table: undefined, column: undefined, constraint: undefined };
  return { id, kind: 'error', error: invalid, inTransaction: db.isInTransaction() };
}

function send(reply: WorkerReply): void {
  port.postMessage(reply, reply.kind === 'result' ? [reply.rows.arena, reply.rows.places.buffer] : []);
}

const db = await open();
port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'close') {
    port.removeAllListeners('message'); // what comes now is answered by the exit
    void db.close().finally(() => process.exit(0));
    return;
  }
  answer(db, request).then(send, (error: unknown) => send(failure(request.id, error, db)));
});
send({ id: 0, kind: 'ready' });
