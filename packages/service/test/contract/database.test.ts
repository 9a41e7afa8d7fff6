import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { contractTable } from '../../src/testing/contract-table.ts';
import { testDatabases } from '../../src/testing/databases.ts';
import { databaseContract } from './database.ts';

const table = contractTable('database');
const maxConnections = 4;

for (const { label, skip, title, open } of await testDatabases(table)) {
  describe.skipIf(skip)(title, () => {
    if (!skip) beforeEach(table.of(label));
    databaseContract(label, () => open({ maxConnections }), label === 'PGlite' ? 1 : maxConnections);
  });
}

afterAll(() => table.print());
test('every implementation ran every case', () => {
  expect(table.differences()).toEqual([]);
});
