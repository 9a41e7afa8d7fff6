/**
 * Runs in a mount namespace of its own (`unshare --mount`): a Postgres on a disk of 160 MB, filled until it refuses. Says
 * as JSON what callers heard.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statfsSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '@sallyport/crypto';
import { sql } from 'kysely';
import { isDatabaseError } from '../../src/database/index.ts';
import { serverTls, startPostgres } from '../../src/local-servers/index.ts';
import { openPostgres, provisionPostgres } from '../../src/postgres/index.ts';

const base = process.argv[2] ?? '';
const disk = join(base, 'disk');
mkdirSync(disk);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=711', 'tmpfs', disk]);
const secret = (text: string): Secret => new Secret(new TextEncoder().encode(text));
const superuserPassword = 'superuser-for-tests-only';
const tls = await serverTls(join(base, 'tls'));
await using server = await startPostgres({ folder: join(disk, 'postgres'), tls, superuserPassword });
const admin = { ...server.admin, password: secret(superuserPassword), tls: { caPem: tls.caPem } };
await provisionPostgres(admin, [{ service: 'filler', password: secret('filler-password') }]);
await using host = await openPostgres({
  ...admin,
  database: 'sallyport',
  user: 'filler',
  password: secret('filler-password'),
});
const db = await host.forService<{ block: { id: number; body: Uint8Array } }>('filler');
await db.migrate([
  {
    id: '1',
    up: 'create table block (id int primary key, body bytea not null); alter table block alter body set storage plain',
  },
]);

const kindOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (isDatabaseError(error) ? `${error.kind} ${error.sqlState ?? ''}` : String(error)),
  );
const insert = (id: number) =>
  db.transaction((tx) =>
    tx
      .insertInto('block')
      .values({ id, body: new Uint8Array(7000) })
      .execute(),
  );

// All that is free but 1 MB, which is given back later: what Postgres itself needs to recover is not there either.
const ballast = join(disk, 'ballast');
writeFileSync(ballast, '');
const { bavail, bsize } = statfsSync(disk);
execFileSync('fallocate', ['--length', String(bavail * bsize - 1024 * 1024), ballast]);

const acknowledged: number[] = [];
let refused = 'never';
for (let id = 0; id < 2000 && refused === 'never'; id += 1) {
  const kind = await kindOf(insert(id));
  if (kind === 'done') acknowledged.push(id);
  else refused = kind;
}
truncateSync(ballast, 0);
unlinkSync(ballast);
let after = 'never';
for (let attempt = 0; attempt < 100 && after !== 'done'; attempt += 1) {
  after = await kindOf(insert(10_000 + attempt));
  if (after !== 'done') await new Promise((resolve) => setTimeout(resolve, 100));
}
const rows = await db.kysely
  .selectFrom('block')
  .select('id')
  .where('id', '<', 10_000)
  .orderBy('id')
  .execute();
const { rows: readable } = await sql<{ ok: boolean }>`select true as ok`.execute(db.kysely);
process.stdout.write(
  `${JSON.stringify({ refused, after, kept: rows.map(({ id }) => id), acknowledged, readable: readable[0]?.ok })}\n`,
);
