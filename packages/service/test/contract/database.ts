/**
 * The contract of the database port. Call it from a test file of each back-end with a factory for its host; each test
 * uses services of its own, so one host serves the whole suite.
 */
import type { Generated, JSONColumnType } from 'kysely';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DatabaseError,
  MigrationError,
  type Database,
  type DatabaseErrorKind,
  type DatabaseHost,
  type DatabaseOptions,
  type Migration,
} from '../../src/database/index.ts';

interface Schema {
  item: {
    id: bigint;
    name: string;
    body: Uint8Array;
    facts: JSONColumnType<{ readonly a: number; readonly list: readonly string[] }>;
    created_at: Generated<Date>;
  };
  child: { id: number; item_id: bigint };
}

const migrations: readonly Migration[] = [
  {
    id: '0001-items',
    up: `create table item (
           id bigint primary key check (id >= 0),
           name text not null unique,
           body bytea not null,
           facts jsonb not null,
           created_at timestamptz not null default now()
         );
         create index item_created_at on item (created_at);`,
  },
  {
    id: '0002-children',
    up: 'create table child (id integer not null, item_id bigint not null references item (id))',
  },
];

const item = (id: bigint) => ({
  id,
  name: `item-${id}`,
  body: Uint8Array.of(0, 1, 255),
  facts: JSON.stringify({ a: 1, list: ['x'] }),
});

/** `connections`: how many a service has at once. */
export function databaseContract(
  implementation: string,
  openHost: () => Promise<DatabaseHost>,
  connections: number,
): void {
  describe(`database contract: ${implementation}`, () => {
    let host: DatabaseHost;
    let count = 0;

    beforeAll(async () => {
      host = await openHost();
    }, 60_000);
    afterAll(() => host.close());

    const fresh = (options?: DatabaseOptions) => host.forService<Schema>(`contract-${++count}`, options);
    async function migrated(options?: DatabaseOptions): Promise<Database<Schema>> {
      const db = await fresh(options);
      await db.migrate(migrations);
      return db;
    }

    describe('values', () => {
      test('bigint, bytea, jsonb and timestamptz come back as what the port promises', async () => {
        const db = await migrated();
        const at = new Date('2026-11-22T10:11:12.345Z');
        const big = 9_007_199_254_740_993n;
        await db.kysely
          .insertInto('item')
          .values({ ...item(big), created_at: at })
          .execute();
        const row = await db.kysely.selectFrom('item').selectAll().executeTakeFirstOrThrow();
        expect(row).toStrictEqual({
          id: big,
          name: `item-${big}`,
          body: Uint8Array.of(0, 1, 255),
          facts: { a: 1, list: ['x'] },
          created_at: at,
        });
      });

      test('small integers in int8 are bigint too', async () => {
        const db = await migrated();
        await db.kysely.insertInto('item').values(item(1n)).execute();
        const { total } = await db.kysely
          .selectFrom('item')
          .select(({ fn }) => fn.countAll<bigint>().as('total'))
          .executeTakeFirstOrThrow();
        expect(total).toBe(1n);
      });

      test('an empty bytea, and views into a larger buffer, keep exactly their bytes', async () => {
        const db = await migrated();
        const large = Uint8Array.from({ length: 64 }, (_, index) => index);
        await db.kysely
          .insertInto('item')
          .values([
            { ...item(1n), body: new Uint8Array() },
            { ...item(2n), body: large.subarray(10, 13) },
          ])
          .execute();
        const rows = await db.kysely.selectFrom('item').select('body').orderBy('id').execute();
        expect(rows.map(({ body }) => [...body])).toEqual([[], [10, 11, 12]]);
        expect(rows[1]?.body.buffer.byteLength).toBe(3);
        expect(large[10]).toBe(10);
      });

      test('undefined and null parameters are NULL', async () => {
        const db = await fresh();
        const { rows } = await sql<{
          a: null;
          b: null;
        }>`select ${null}::text as a, ${undefined}::text as b`.execute(db.kysely);
        expect(rows).toEqual([{ a: null, b: null }]);
      });

      test('a batch insert of 1000 rows reports its count', async () => {
        const db = await migrated();
        const rows = Array.from({ length: 1000 }, (_, index) => item(BigInt(index)));
        const result = await db.kysely.insertInto('item').values(rows).executeTakeFirstOrThrow();
        expect(result.numInsertedOrUpdatedRows).toBe(1000n);
      });

      test('arrays are JSON for a JSON parameter and arrays for any other', async () => {
        const db = await fresh();
        const texts = ['a', 'b,"c"\\', '', 'NULL'];
        const { rows } = await sql`
          select ${['x', { y: 1 }]}::jsonb as json, ${texts}::text[] as texts, ${[1n, 2n ** 62n]}::int8[] as large,
            3 = any(${[1, 2, 3]}::int4[]) as found`.execute(db.kysely);
        expect(rows).toStrictEqual([{ json: ['x', { y: 1 }], texts, large: [1n, 2n ** 62n], found: true }]);
      });

      test('a bigint inside JSON is its digits', async () => {
        const db = await fresh();
        const { rows } = await sql`select ${{ a: [2n ** 60n] }}::jsonb as json`.execute(db.kysely);
        expect(rows).toEqual([{ json: { a: ['1152921504606846976'] } }]);
      });

      test('a value that cannot be written down is refused, and the connection goes on', async () => {
        const db = await fresh();
        const attempt = sql`select ${new Date(Number.NaN)}::timestamptz`.execute(db.kysely);
        await expect(attempt).rejects.toMatchObject({ kind: 'invalid_statement' });
        await db.check();
      });

      test('a statement with parameters or none is one statement', async () => {
        const db = await fresh();
        const two = sql`select 1; select 2`.execute(db.kysely);
        await expect(two).rejects.toMatchObject({ kind: 'invalid_statement' });
      });

      test('update and delete report the rows they touched', async () => {
        const db = await migrated();
        await db.kysely
          .insertInto('item')
          .values([item(1n), item(2n)])
          .execute();
        const updated = await db.kysely
          .updateTable('item')
          .set({ name: 'new' })
          .where('id', '=', 1n)
          .executeTakeFirst();
        const deleted = await db.kysely.deleteFrom('item').executeTakeFirst();
        expect([updated.numUpdatedRows, deleted.numDeletedRows]).toEqual([1n, 2n]);
      });
    });

    describe('errors', () => {
      const cases: readonly [DatabaseErrorKind, (db: Database<Schema>) => Promise<unknown>][] = [
        [
          'unique_violation',
          (db) =>
            db.kysely
              .insertInto('item')
              .values([item(1n), item(1n)])
              .execute(),
        ],
        [
          'foreign_key_violation',
          (db) => db.kysely.insertInto('child').values({ id: 1, item_id: 99n }).execute(),
        ],
        ['check_violation', (db) => db.kysely.insertInto('item').values(item(-1n)).execute()],
        [
          'not_null_violation',
          (db) => sql`insert into child (id, item_id) values (1, null)`.execute(db.kysely),
        ],
        ['invalid_statement', (db) => sql`select nothing from nowhere`.execute(db.kysely)],
        ['invalid_statement', (db) => sql`selekt`.execute(db.kysely)],
        ['invalid_statement', (db) => sql`select ${'canary'}::integer`.execute(db.kysely)],
        [
          'invalid_statement',
          (db) => sql`insert into item (body) values (${'\\xcanary'})`.execute(db.kysely),
        ],
        ['serialization_failure', (db) => sql`do $$ begin raise sqlstate '40001'; end $$`.execute(db.kysely)],
        ['unavailable', (db) => sql`do $$ begin raise sqlstate '53100'; end $$`.execute(db.kysely)],
        ['other', (db) => sql`do $$ begin raise sqlstate 'XX000'; end $$`.execute(db.kysely)],
      ];
      test.each(cases.map(([kind, run], row) => ({ kind, run, row })))(
        '$row: $kind',
        async ({ kind, run }) => {
          const db = await migrated();
          const error = await run(db).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          expect(error).toBeInstanceOf(DatabaseError);
          if (!(error instanceof DatabaseError)) return;
          expect(error.kind).toBe(kind);
          expect(error.message).not.toContain('canary');
          await db.check(); // the connection is as good as before
        },
      );

      test('a violated constraint is named, the value is not', async () => {
        const db = await migrated();
        await db.kysely.insertInto('item').values(item(1n)).execute();
        const twice = db.kysely
          .insertInto('item')
          .values({ ...item(2n), name: 'item-1' })
          .execute();
        await expect(twice).rejects.toMatchObject({ constraint: 'item_name_key', table: 'item' });
        await expect(twice).rejects.not.toThrow(/item-1/);
      });
    });

    describe('transactions', () => {
      test('commit makes rows visible, and the result of fn is returned', async () => {
        const db = await migrated();
        const value = await db.transaction(async (tx) => {
          await tx.insertInto('item').values(item(1n)).execute();
          return 7;
        });
        expect(value).toBe(7);
        expect(await db.kysely.selectFrom('item').selectAll().execute()).toHaveLength(1);
      });

      test('a rejected fn rolls back and rejects with the same error', async () => {
        const db = await migrated();
        const mine = new Error('mine');
        const attempt = db.transaction(async (tx) => {
          await tx.insertInto('item').values(item(1n)).execute();
          throw mine;
        });
        await expect(attempt).rejects.toBe(mine);
        expect(await db.kysely.selectFrom('item').selectAll().execute()).toEqual([]);
      });

      test('a swallowed statement error is not reported as a commit', async () => {
        const db = await migrated();
        const attempt = db.transaction(async (tx) => {
          await tx.insertInto('item').values(item(1n)).execute();
          await tx
            .insertInto('item')
            .values(item(1n))
            .execute()
            .catch(() => undefined);
        });
        await expect(attempt).rejects.toMatchObject({ kind: 'invalid_statement' });
        expect(await db.kysely.selectFrom('item').selectAll().execute()).toEqual([]);
      });

      test('the isolation level is the one asked for', async () => {
        const db = await fresh();
        const level = await db.transaction(
          async (tx) =>
            (
              await sql<{ level: string }>`select current_setting('transaction_isolation') as level`.execute(
                tx,
              )
            ).rows,
          { isolation: 'serializable' },
        );
        expect(level).toEqual([{ level: 'serializable' }]);
      });

      test('concurrent transactions do not mix: 20 increments make 20', async () => {
        const db = await migrated();
        await db.kysely.insertInto('item').values(item(1n)).execute();
        await db.kysely.insertInto('child').values({ id: 0, item_id: 1n }).execute();
        await Promise.all(
          Array.from({ length: 20 }, () =>
            db.transaction(async (tx) => {
              const { id } = await tx.selectFrom('child').select('id').forUpdate().executeTakeFirstOrThrow();
              await tx
                .updateTable('child')
                .set({ id: id + 1 })
                .execute();
            }),
          ),
        );
        const { id } = await db.kysely.selectFrom('child').select('id').executeTakeFirstOrThrow();
        expect(id).toBe(20);
      });

      test('one that lost against another is run again, and its first attempt left nothing', async () => {
        const db = await migrated();
        let runs = 0;
        await db.transaction(async (tx) => {
          runs += 1;
          await tx.insertInto('item').values(item(1n)).execute();
          if (runs < 3) await sql`do $$ begin raise sqlstate '40001'; end $$`.execute(tx);
        });
        expect(runs).toBe(3);
        expect(await db.kysely.selectFrom('item').selectAll().execute()).toHaveLength(1);
      });

      test('one that loses every time gives up with the reason to try later', async () => {
        const db = await fresh();
        let runs = 0;
        const attempt = db.transaction(async (tx) => {
          runs += 1;
          await sql`do $$ begin raise sqlstate '40P01'; end $$`.execute(tx);
        });
        await expect(attempt).rejects.toMatchObject({ kind: 'serialization_failure', retryable: true });
        expect(runs).toBe(5);
      });

      test('one held too long is rolled back, refused further statements, and others go on', async () => {
        const db = await migrated({ holdTimeoutMs: 100 });
        const late = db.transaction(async (tx) => {
          await tx.insertInto('item').values(item(1n)).execute();
          await new Promise((resolve) => setTimeout(resolve, 300));
          await tx.insertInto('item').values(item(2n)).execute();
        });
        await expect(late).rejects.toMatchObject({ kind: 'deadline_exceeded' });
        expect(await db.kysely.selectFrom('item').selectAll().execute()).toEqual([]);
      });
    });

    describe('isolation between services', () => {
      const reaches: readonly [string, (schema: string) => string][] = [
        ['read', (schema) => `select * from ${schema}.item`],
        ['write', (schema) => `insert into ${schema}.child values (1, 1)`],
        ['drop', (schema) => `drop table ${schema}.item`],
        ['create in its schema', (schema) => `create table ${schema}.mine (a integer)`],
        ['create a schema', () => 'create schema mine'],
        ['create in public', () => 'create table public.mine (a integer)'],
        ['read password hashes', () => 'select * from pg_authid'],
        ['read a server file', () => "select pg_read_file('PG_VERSION')"],
        ['run a program', () => "copy (select 1) to program 'true'"],
        ['create a role', () => 'create role mine'],
      ];
      test.each(reaches)('a service cannot %s', async (_, statement) => {
        const owner = await migrated();
        const schema =
          (await sql<{ s: string }>`select current_schema() as s`.execute(owner.kysely)).rows[0]?.s ?? '';
        const other = await fresh();
        const attempt = sql.raw(statement(schema)).execute(other.kysely);
        await expect(attempt).rejects.toMatchObject({ kind: 'insufficient_privilege' });
      });

      test('what one session leaves behind does not reach the next service', async () => {
        const first = await fresh();
        const second = await fresh();
        await sql`set work_mem = '1MB'`.execute(first.kysely);
        await sql`set search_path = pg_catalog`.execute(first.kysely);
        const { rows } = await sql<{ u: string; s: string; m: string }>`
          select current_user as u, current_schema() as s, current_setting('work_mem') as m`.execute(
          second.kysely,
        );
        expect(rows[0]?.u).toBe(rows[0]?.s);
        expect(rows[0]?.m).not.toBe('1MB');
      });
    });

    describe('migrations', () => {
      test('apply once, in order, and report it', async () => {
        const db = await fresh();
        expect(await db.migrate(migrations)).toEqual({
          applied: ['0001-items', '0002-children'],
          current: '0002-children',
        });
        expect(await db.migrate(migrations)).toEqual({ applied: [], current: '0002-children' });
      });

      test('a longer list applies only what is new', async () => {
        const db = await fresh();
        await db.migrate(migrations.slice(0, 1));
        expect((await db.migrate(migrations)).applied).toEqual(['0002-children']);
      });

      const [first, second] = migrations;
      if (first === undefined || second === undefined) throw new Error('two migrations above');
      const refused: readonly [MigrationError['kind'], string, readonly Migration[]][] = [
        ['checksum_changed', 'an edited migration', [{ ...first, up: `${first.up} ` }, second]],
        ['unknown_migration', 'a database ahead of the build', [first]],
        ['out_of_order', 'one slipped in before', [first, { id: '0001-later', up: 'select 1' }, second]],
        ['invalid_list', 'an unsorted list', [second, first]],
        ['invalid_list', 'a repeated id', [first, first]],
        ['invalid_list', 'an id with odd characters', [{ id: "1'; drop", up: 'select 1' }]],
        [
          'failed',
          'SQL that fails',
          [first, second, { id: '0003-bad', up: 'create table a (b int); select * from nowhere' }],
        ],
        [
          'failed',
          'SQL that commits',
          [first, second, { id: '0003-bad', up: 'create table a (b int); commit; begin' }],
        ],
      ];
      test.each(refused)('%s: %s', async (kind, _, list) => {
        const db = await fresh();
        await db.migrate(migrations);
        const error = await db.migrate(list).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        expect(error).toBeInstanceOf(MigrationError);
        expect(error).toMatchObject({ kind });
        expect(await db.migrate(migrations)).toEqual({ applied: [], current: '0002-children' });
      });

      test('a failed migration leaves nothing of itself', async () => {
        const db = await fresh();
        await db
          .migrate([{ id: '1', up: 'create table half (a int); select * from nowhere' }])
          .catch(() => undefined);
        const half = sql`select * from half`.execute(db.kysely);
        await expect(half).rejects.toMatchObject({ sqlState: '42P01' });
      });
    });

    describe('limits and closing', () => {
      test('a full queue refuses at once and says so', async () => {
        const db = await fresh({ maxQueue: 2 });
        const results = await Promise.allSettled(Array.from({ length: connections + 12 }, () => db.check()));
        const refused = results.filter((result) => result.status === 'rejected');
        expect(refused.length).toBeGreaterThan(0);
        for (const { reason } of refused)
          expect(reason).toMatchObject({ kind: 'overloaded', retryable: true });
      });

      test('waiting for a connection ends at its deadline', async () => {
        const db = await fresh({ acquireTimeoutMs: 100 });
        const holdAll = (left: number): Promise<void> =>
          db.transaction(async () => {
            if (left > 1) return holdAll(left - 1);
            await expect(db.check()).rejects.toMatchObject({ kind: 'deadline_exceeded' });
          });
        await holdAll(connections);
        await db.check();
      });

      test('a closed database refuses, the host goes on', async () => {
        const db = await fresh();
        const other = await fresh();
        await db.close();
        await expect(db.check()).rejects.toMatchObject({ kind: 'closed' });
        await other.check();
      });

      test.each(['', 'Upper', 'a b', "a'; drop", 'public', 'pg-x', 'a'.repeat(42)])(
        'service name %j is refused',
        async (name) => {
          await expect(host.forService(name)).rejects.toMatchObject({ kind: 'invalid_statement' });
        },
      );
    });
  });
}
