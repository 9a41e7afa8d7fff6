/** Two processes of one service: what one holds, the other waits for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/database/index.ts';
import { openPostgres } from '../../src/postgres/index.ts';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';

const accounts = {
  id: '1',
  up: 'create table account (id int primary key, value int not null); insert into account values (1, 0), (2, 0)',
};
interface Schema {
  account: { id: number; value: number };
}

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('two replicas'), () => {
  let postgres: TestPostgres;
  let count = 0;
  let databases: [Database<Schema>, Database<Schema>];

  beforeAll(async () => {
    postgres = await testPostgres();
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  async function open(service: string, holdTimeoutMs = 10_000): Promise<Database<Schema>> {
    const host = await openPostgres(await postgres.optionsFor(service));
    return host.forService<Schema>(service, { holdTimeoutMs });
  }
  beforeEach(async () => {
    count += 1;
    const service = `replicas-${count}`;
    databases = [await open(service), await open(service)];
    const [first] = databases;
    await first.migrate([accounts]);
    return async () => {
      for (const database of databases) await database.close();
    };
  });

  const valueOf = async (id: number): Promise<number> =>
    (
      await databases[0].kysely
        .selectFrom('account')
        .select('value')
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
    ).value;

  test('FOR UPDATE makes the second wait until the first commits, and see what it wrote', async () => {
    const [first, second] = databases;
    const order: string[] = [];
    const locked = Promise.withResolvers<void>();
    const read = (database: Database<Schema>, name: string, then: () => Promise<void>) =>
      database.transaction(async (tx) => {
        const row = await tx
          .selectFrom('account')
          .selectAll()
          .where('id', '=', 1)
          .forUpdate()
          .executeTakeFirstOrThrow();
        order.push(`${name} read ${row.value}`);
        await then();
        await tx
          .updateTable('account')
          .set({ value: row.value + 1 })
          .where('id', '=', 1)
          .execute();
        order.push(`${name} wrote`);
      });
    const one = read(first, 'first', async () => {
      locked.resolve();
      await sleep(300);
    });
    await locked.promise;
    const two = read(second, 'second', async () => undefined);
    await Promise.all([one, two]);
    expect(order).toEqual(['first read 0', 'first wrote', 'second read 1', 'second wrote']);
    expect(await valueOf(1)).toBe(2);
  });

  test('SKIP LOCKED gives each row to one of them', async () => {
    const [first, second] = databases;
    const take = (database: Database<Schema>, then: () => Promise<number[]>) =>
      database.transaction(async (tx) => {
        const rows = await tx
          .selectFrom('account')
          .select('id')
          .orderBy('id')
          .limit(1)
          .forUpdate()
          .skipLocked()
          .execute();
        return [...rows.map(({ id }) => id), ...(await then())];
      });
    expect(await take(first, () => take(second, async () => []))).toEqual([1, 2]);
  });

  test('those that lock in opposite order both get through: the one that lost is run again', async () => {
    let runs = 0;
    let firstLocks = 0;
    const both = Promise.withResolvers<void>();
    const raise = (database: Database<Schema>, ids: readonly number[]) =>
      database.transaction(async (tx) => {
        runs += 1;
        for (const [position, id] of ids.entries()) {
          await tx
            .updateTable('account')
            .set({ value: sql`value + 1` })
            .where('id', '=', id)
            .execute();
          if (position > 0) continue;
          firstLocks += 1;
          if (firstLocks === 2) both.resolve();
          await both.promise; // each has its first lock
        }
      });
    await Promise.all([raise(databases[0], [1, 2]), raise(databases[1], [2, 1])]);
    expect(runs).toBe(3);
    expect([await valueOf(1), await valueOf(2)]).toEqual([2, 2]);
  });

  test('serializable increments of both are all counted', async () => {
    await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        (n % 2 === 0 ? databases[0] : databases[1])
          ?.transaction(
            async (tx) => {
              const { value } = await tx
                .selectFrom('account')
                .select('value')
                .where('id', '=', 1)
                .executeTakeFirstOrThrow();
              await sleep(5);
              await tx
                .updateTable('account')
                .set({ value: value + 1 })
                .where('id', '=', 1)
                .execute();
            },
            { isolation: 'serializable' },
          )
          .catch((error: unknown) => {
            // Not counted, and said so.
            expect(error).toMatchObject({ kind: 'serialization_failure' });
            return sql`update account set value = value + 1 where id = 1`.execute(databases[0].kysely);
          }),
      ),
    );
    expect(await valueOf(1)).toBe(6);
  });

  test('a lock that is not had in half of the time is given up', async () => {
    const impatient = await open(`replicas-${count}`, 1000);
    await databases[0].transaction(async (tx) => {
      await sql`select 1 from account where id = 1 for update`.execute(tx);
      const waiting = sql`update account set value = 9 where id = 1`.execute(impatient.kysely);
      await expect(waiting).rejects.toMatchObject({ kind: 'deadline_exceeded', sqlState: '55P03' });
    });
    await impatient.close();
  });

  test('of replicas that start at once, one migrates and the other finds it done', async () => {
    const migrations = Array.from({ length: 8 }, (_, n) => ({
      id: `2-${n}`,
      up: `create table extra_${n} (a int); select pg_sleep(0.02)`,
    }));
    const reports = await Promise.all(databases.map((each) => each.migrate([accounts, ...migrations])));
    expect(new Set(reports.map(({ applied }) => applied.length))).toEqual(new Set([0, 8]));
    for (const { current } of reports) expect(current).toBe('2-7');
  });

  test('a replica waits for the migration of another for longer than a statement may take', async () => {
    const impatient = await open(`replicas-${count}`, 500);
    const slow = { id: '2', up: 'create table slow (a int); select pg_sleep(1.5)' };
    const first = databases[0].migrate([accounts, slow]);
    await sleep(200);
    const second = await impatient.migrate([accounts, slow]);
    expect([(await first).applied, second.applied]).toEqual([['2'], []]);
    await impatient.close();
  });
});
