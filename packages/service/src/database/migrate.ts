/**
 * Forward-only migrations. Each runs in a transaction together with the row that records it, so that a crash leaves
 * either both or neither. What was applied is never edited: a checksum says so, and the service refuses to start.
 */
import { createHash } from 'node:crypto';
import { DatabaseError, MigrationError } from './error.ts';
import type { Migration, MigrationReport } from './port.ts';
import type { SqlConnection } from './sql-source.ts';

const idPattern = /^[0-9a-z][0-9a-z_-]{0,99}$/;

const checksum = (migration: Migration): string =>
  createHash('sha256').update(migration.up, 'utf8').digest('hex');

function checkList(migrations: readonly Migration[]): void {
  let previous: string | undefined;
  for (const { id } of migrations) {
    if (!idPattern.test(id)) {
      throw new MigrationError(
        'invalid_list',
        id,
        `migration id ${JSON.stringify(id)} must match ${idPattern.source}`,
      );
    }
    if (previous !== undefined && id <= previous) {
      throw new MigrationError(
        'invalid_list',
        id,
        `migration ${id} must sort after ${previous}; rename the new one`,
      );
    }
    previous = id;
  }
}

interface AppliedRow {
  readonly id: string;
  readonly checksum: string;
}

/** Throws when `applied` is not a prefix of `migrations`, byte for byte. */
function comparePrefix(applied: readonly AppliedRow[], migrations: readonly Migration[]): void {
  const byId = new Map(migrations.map((migration) => [migration.id, migration]));
  applied.forEach((row, index) => {
    const migration = byId.get(row.id);
    if (migration === undefined) {
      const message = `the database has migration ${row.id}, which this build does not know; run the newer build`;
      throw new MigrationError('unknown_migration', row.id, message);
    }
    if (checksum(migration) !== row.checksum) {
      const message = `migration ${row.id} was changed after it was applied; restore it and add a new one instead`;
      throw new MigrationError('checksum_changed', row.id, message);
    }
    const expected = migrations[index];
    if (expected === undefined || expected.id !== row.id) {
      const id = expected?.id ?? row.id;
      const message = `migration ${id} sorts before ${row.id}, which is already applied; give it a later id`;
      throw new MigrationError('out_of_order', id, message);
    }
  });
}

async function transactionId(connection: SqlConnection): Promise<unknown> {
  const { rows } = await connection.query('select pg_current_xact_id()::text as id', []);
  return rows[0]?.['id'];
}

async function applyOne(connection: SqlConnection, migration: Migration): Promise<void> {
  await connection.query('begin', []);
  try {
    const before = await transactionId(connection);
    await connection.script(migration.up);
    if ((await transactionId(connection)) !== before) {
      throw new DatabaseError('invalid_statement', 'a migration must not begin, commit or roll back');
    }
    await connection.query('insert into schema_migrations (id, checksum) values ($1, $2)', [
      migration.id,
      checksum(migration),
    ]);
    await connection.query('commit', []);
  } catch (error) {
    await connection.query('rollback', []).catch(() => undefined); // the first error is the one to report
    throw new MigrationError('failed', migration.id, `migration ${migration.id} failed and was rolled back`, {
      cause: error,
    });
  }
}

/** Two processes on one Postgres must not migrate at once; the lock is held by the session and dies with it. */
const lockSql = 'select pg_advisory_lock(hashtext(current_schema()))';
const unlockSql = 'select pg_advisory_unlock(hashtext(current_schema()))';

export async function runMigrations(
  connection: SqlConnection,
  migrations: readonly Migration[],
): Promise<MigrationReport> {
  checkList(migrations);
  await connection.query(lockSql, []);
  try {
    await connection.script(
      `create table if not exists schema_migrations (
         id text primary key,
         checksum text not null,
         applied_at timestamptz not null default now()
       )`,
    );
    const result = await connection.query(
      'select id, checksum from schema_migrations order by id collate "C"',
      [],
    );
    const applied = result.rows as unknown as readonly AppliedRow[];
    comparePrefix(applied, migrations);
    const missing = migrations.slice(applied.length);
    for (const migration of missing) await applyOne(connection, migration);
    return { applied: missing.map(({ id }) => id), current: migrations.at(-1)?.id };
  } finally {
    await connection.query(unlockSql, []).catch(() => undefined); // released with the session at the latest
  }
}
