import type { Database, DatabaseHost } from '@sallyport/service/database';
import { contractTable, testDatabases } from '@sallyport/service/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { START, type RecordFilter } from '../../src/domain/leaf.ts';
import { planCommit } from '../../src/domain/plan-commit.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { Schema } from '../../src/store/rows.ts';
import { batchOf, callBody, gateway } from '../support.ts';
import { fenceContract } from './fence.ts';
import { storeContract } from './store.ts';

const TABLES = ['leaf', 'record', 'checkpoint', 'fence', 'folder'] as const;

const table = contractTable('audit store');

describe('in memory', () => {
  beforeEach(table.of('memory'));
  storeContract('memory', async () => memoryStore());
  fenceContract('memory', async () => memoryStore());
});

for (const { label, skip, title, open } of await testDatabases(table))
  describe.skipIf(skip)(title, () => {
    let host: DatabaseHost;
    let database: Database<Schema>;

    beforeAll(async () => {
      host = await open();
      database = await host.forService<Schema>('audit-service');
      await database.migrate(migrations);
    }, 60_000);

    afterAll(() => host.close());

    const fresh = async () => {
      for (const each of TABLES) await database.kysely.deleteFrom(each).execute();
      return postgresStore(database);
    };

    describe('contract', () => {
      if (!skip) beforeEach(table.of(label));
      storeContract(label, fresh);
      fenceContract(label, fresh);
    });

    test('a row without its leaf is no record: nothing that is signed vouches for it', async () => {
      const store = await fresh();
      await store.writer.commit([gateway], (head) =>
        planCommit(head, [{ batch: batchOf(gateway, 1n, [callBody(1)]) }]),
      );
      for (const forged of [-1, 1, 99])
        await sql`insert into record select ${forged}::int8, item, time_ms, phase, class_uid, activity, tenant, principal,
        action, destination, decision, reason, policy_revision, outcome, session_id, correlation, seq,
        target, arguments_digest from record where leaf_index = 0`.execute(database.kysely);
      for (const filter of [{}, { sinceMs: 0 }, { principal: 'user:alice' }]) {
        const found = await store.records.query({ ...filter, joinOutcomes: false }, START, 10);
        expect(found.map(({ leafIndex }) => leafIndex)).toEqual([0]);
      }
    });

    test('what is far apart in a long log is found, whatever slices the log is read in', async () => {
      const store = await fresh();
      const special = new Set([0, 255, 256, 257, 1279, 1280, 2999]);
      const bodies = Array.from({ length: 3_000 }, (_, i) =>
        callBody(i, special.has(i) ? 'user:rare' : 'user:alice'),
      );
      await store.writer.commit([gateway], (head) =>
        planCommit(head, [{ batch: batchOf(gateway, 1n, bodies) }]),
      );
      const timeOf = (i: number) => 1_700_000_000_000 + i;
      for (const joinOutcomes of [false, true]) {
        const find = async (filter: Omit<RecordFilter, 'joinOutcomes'>, after = START, limit = 9) =>
          (await store.records.query({ ...filter, joinOutcomes }, after, limit)).map(
            ({ leafIndex }) => leafIndex,
          );
        expect(await find({ principal: 'user:rare' })).toEqual([...special]);
        expect(await find({ principal: 'user:rare' }, { leafIndex: 256, item: 0 }, 2)).toEqual([257, 1279]);
        expect(await find({ principal: 'user:rare', sinceMs: timeOf(257), untilMs: timeOf(2999) })).toEqual([
          257, 1279, 1280,
        ]);
        expect(await find({ sinceMs: timeOf(2998) })).toEqual([2998, 2999]);
        expect(await find({ untilMs: timeOf(2) })).toEqual([0, 1]);
        expect(await find({ outcome: 'failure' })).toEqual([]);
      }
      const gone = AbortSignal.abort(new Error('the caller is gone'));
      await expect(store.records.query({ joinOutcomes: false }, START, 1, gone)).rejects.toThrow(
        'caller is gone',
      );
    });
  });

afterAll(() => table.print());
test('every store ran every case', () => {
  expect(table.differences()).toEqual([]);
});
