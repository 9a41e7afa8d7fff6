import { contractTable, testDatabases } from '@sallyport/service/testing';
import { sql } from 'kysely';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryOAuth } from '../../src/store/memory-oauth.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresOAuth } from '../../src/store/postgres-oauth.ts';
import type { AuthSchema } from '../../src/store/rows.ts';
import { oauthStoreContract } from './oauth.ts';

const table = contractTable('oauth store');

describe('in memory', () => {
  beforeEach(table.of('memory'));
  oauthStoreContract('memory', async () => ({
    fresh: async () => memoryOAuth(),
    [Symbol.asyncDispose]: async () => undefined,
  }));
});

for (const { label, skip, title, open } of await testDatabases(table)) {
  describe.skipIf(skip)(title, () => {
    if (!skip) beforeEach(table.of(label));
    oauthStoreContract(label, async () => {
      const host = await open();
      const database = await host.forService<AuthSchema>('auth-service');
      await database.migrate(migrations);
      return {
        fresh: async () => {
          await sql`truncate oauth_record, oauth_secret`.execute(database.kysely);
          return postgresOAuth(database);
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
