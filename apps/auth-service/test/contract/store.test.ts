import { contractTable, testDatabases } from '@sallyport/service/testing';
import { sql } from 'kysely';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { AuthSchema } from '../../src/store/rows.ts';
import { storeContract } from './store.ts';
import { tokenStoreContract } from './tokens.ts';

const table = contractTable('auth store');

describe('in memory', () => {
  beforeEach(table.of('memory'));
  const open = async () => ({
    fresh: async () => memoryStore(),
    [Symbol.asyncDispose]: async () => undefined,
  });
  storeContract('memory', open);
  tokenStoreContract('memory', open);
});

for (const { label, skip, title, open: openHost } of await testDatabases(table)) {
  describe.skipIf(skip)(title, () => {
    if (!skip) beforeEach(table.of(label));
    const open = async () => {
      const host = await openHost();
      // The suite puts thousands of statements in at once.
      const database = await host.forService<AuthSchema>('auth-service', {
        maxQueue: 10_000,
        acquireTimeoutMs: 60_000,
      });
      await database.migrate(migrations);
      return {
        fresh: async () => {
          await sql`truncate psk, decoy, session, revocation, outbox, password`.execute(database.kysely);
          await sql`update feed set last_number = 0`.execute(database.kysely);
          return postgresStore(database);
        },
        [Symbol.asyncDispose]: async () => {
          await database.close();
          await host.close();
        },
      };
    };
    storeContract(label, open);
    tokenStoreContract(label, open);
  });
}

afterAll(() => table.print());
test('every store ran every case', () => {
  expect(table.differences()).toEqual([]);
});
