import { contractTable, testDatabases } from '@sallyport/service/testing';
import { sql } from 'kysely';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { KeySchema } from '../../src/store/rows.ts';
import { storeContract } from './store.ts';

const table = contractTable('key store');

describe('in memory', () => {
  beforeEach(table.of('memory'));
  storeContract('memory', async () => ({
    fresh: async () => memoryStore(),
    [Symbol.asyncDispose]: async () => undefined,
  }));
});

for (const { label, skip, title, open } of await testDatabases(table)) {
  describe.skipIf(skip)(title, () => {
    if (!skip) beforeEach(table.of(label));
    storeContract(label, async () => {
      const host = await open();
      const database = await host.forService<KeySchema>('key-service');
      await database.migrate(migrations);
      return {
        fresh: async () => {
          await sql`truncate key_version, session_key, data_key, outbox`.execute(database.kysely);
          await sql`update feed set last_number = 0`.execute(database.kysely);
          return postgresStore(database);
        },
        [Symbol.asyncDispose]: async () => {
          await database.close();
          await host.close();
        },
      };
    });
  });
}

afterAll(() => table.print());
test('every store ran every case', () => {
  expect(table.differences()).toEqual([]);
});
