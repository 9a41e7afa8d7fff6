import type { Database, DatabaseHost } from '@sallyport/service/database';
import { contractTable, testDatabases } from '@sallyport/service/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { Schema } from '../../src/store/rows.ts';
import { admin, role } from '../support.ts';
import { builtInRoles, storeContract } from './store.ts';
import { toolsContract } from './tools.ts';

const table = contractTable('policy store');

describe('in memory', () => {
  beforeEach(table.of('memory'));
  storeContract('memory', { fresh: async () => memoryStore(builtInRoles) });
  toolsContract('memory', async () => memoryStore(builtInRoles));
});

for (const { label, skip, title, open } of await testDatabases(table))
  describe.skipIf(skip)(title, () => {
    let host: DatabaseHost;
    let database: Database<Schema>;

    beforeAll(async () => {
      host = await open();
      database = await host.forService<Schema>('policy-service');
      await database.migrate(migrations);
    }, 60_000);

    afterAll(() => host.close());

    const empty = () =>
      database.transaction(async (tx) => {
        for (const table of [
          'role',
          'binding',
          'policy_change',
          'bundle',
          'instance_report',
          'tool',
        ] as const) {
          await tx.deleteFrom(table).execute();
        }
        await tx
          .updateTable('policy_state')
          .set({ revision: 0n, announced: 0n, content_digest: '' })
          .execute();
      });
    const store = (roles = builtInRoles) => postgresStore(database, roles);

    describe('contract', () => {
      if (!skip) beforeEach(table.of(label));
      storeContract(label, {
        fresh: async () => {
          await empty();
          return store();
        },
        reopened: async () => store(),
      });
      toolsContract(label, async () => {
        await empty();
        return store();
      });
    });

    test('refuses to read a stored role that has the name of a new built-in one', async () => {
      await empty();
      const put = { kind: 'role-put', before: undefined, after: role('orders') } as const;
      await store().policy.update(() => ({ kind: 'change', changes: [put] }), { actor: admin, atMs: 1 });
      const upgraded = store([...builtInRoles, role('orders', {}, true)]);
      await expect(upgraded.policy.read()).rejects.toThrow('Role "orders" is stored');
    });

    test('refuses to read a damaged role', async () => {
      await empty();
      const definition = { inherits: [], permissions: [{ action: 'a*', resource: '*' }], description: '' };
      await database.kysely.insertInto('role').values({ name: 'orders', definition, revision: 1n }).execute();
      await expect(store().policy.read()).rejects.toThrow('role "orders" in the database is damaged');
    });
  });

afterAll(() => table.print());
test('every store ran every case', () => {
  expect(table.differences()).toEqual([]);
});
