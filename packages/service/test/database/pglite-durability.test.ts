import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openPglite } from '../../src/database/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-database-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const writer = fileURLToPath(new URL('./writer.ts', import.meta.url));

/** Runs the writer and kills it `afterMs` after its first commit; what it said it had committed. */
async function writeAndKill(dataDir: string, afterMs: number): Promise<number[]> {
  const child = spawn(process.execPath, [writer, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const committed: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'ready') continue;
    committed.push(Number(line));
    timer ??= setTimeout(() => child.kill('SIGKILL'), afterMs);
  }
  return committed;
}

/** Runs the writer and kills it as soon as a file of the new database can be seen. */
async function killWhileMaking(dataDir: string, file: string): Promise<void> {
  const child = spawn(process.execPath, [writer, dataDir], { stdio: 'ignore' });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const seen = () => [dataDir, `${dataDir}.unfinished`].some((place) => existsSync(join(place, file)));
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 1));
  child.kill('SIGKILL');
  await gone;
}

async function storedIds(dataDir: string): Promise<number[]> {
  await using host = await openPglite({ dataDir });
  const db = await host.forService<{ row: { id: number } }>('writer');
  const rows = await db.kysely.selectFrom('row').select('id').orderBy('id').execute();
  return rows.map(({ id }) => id);
}

test('SIGKILL while committing loses no committed row', { timeout: 120_000 }, async () => {
  const dataDir = join(folder, 'db');
  const committed: number[] = [];
  for (const afterMs of [3, 41, 170]) committed.push(...(await writeAndKill(dataDir, afterMs)));
  const stored = new Set(await storedIds(dataDir));
  expect(committed.length).toBeGreaterThan(10);
  expect(committed.filter((id) => !stored.has(id))).toEqual([]);
});

test(
  'SIGKILL while the database is being made leaves nothing half-made; what is made then flushes its commits',
  { timeout: 120_000 },
  async () => {
    const dataDir = join(folder, 'db');
    for (const file of ['base', 'PG_VERSION']) await killWhileMaking(dataDir, file);
    await using host = await openPglite({ dataDir });
    const db = await host.forService('probe');
    await db.check();
    expect(existsSync(`${dataDir}.unfinished`)).toBe(false);
    // The same database, for another of its own takes seconds: its commits are flushed to the disk.
    const { rows } = await sql`
    select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
           current_setting('wal_sync_method') as method, current_setting('full_page_writes') as pages`.execute(
      db.kysely,
    );
    expect(rows).toEqual([{ fsync: 'on', commit: 'on', method: 'fsync', pages: 'on' }]);
  },
);

test('a folder that holds no database is refused, not overwritten', { timeout: 120_000 }, async () => {
  const dataDir = join(folder, 'db');
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'PG_VERSION'), 'nonsense');
  await expect(openPglite({ dataDir })).rejects.toMatchObject({ kind: 'unavailable' });
});

test('an engine that does not start in time is unavailable', async () => {
  const opening = openPglite({ memory: true, startTimeoutMs: 1 });
  await expect(opening).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
});

test(
  'closing lets the running transaction finish, fails what waits and what comes',
  { timeout: 120_000 },
  async () => {
    const host = await openPglite({ memory: true });
    const db = await host.forService('probe');
    const holding = Promise.withResolvers<void>();
    const held = db.transaction(async () => {
      holding.resolve();
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    await holding.promise;
    const waiting = db.check();
    const outcomes = Promise.allSettled([held, waiting]);
    await host.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await expect(db.check()).rejects.toMatchObject({ kind: 'closed' });
  },
);
