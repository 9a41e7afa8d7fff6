import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openPglite } from '../../src/database/index.ts';
import { contractTable } from '../../src/testing/contract-table.ts';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';
import { databaseContract } from './database.ts';

const table = contractTable('database');

describe('PGlite', () => {
  beforeEach(table.of('pglite in memory'));
  databaseContract('pglite in memory', () => openPglite({ memory: true }), 1);
});

const suite = await serverSuite('postgres');
if (suite.skip) table.skipped('a postgres server', 'not installed here');
describe.skipIf(suite.skip)(suite.title('Postgres'), () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await testPostgres();
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());
  if (!suite.skip) beforeEach(table.of('a postgres server'));
  databaseContract('a postgres server', async () => postgres.host({ maxConnections: 4 }), 4);
});

test('every implementation ran every case', () => {
  table.print();
  expect(table.differences()).toEqual([]);
});
