import { afterAll, beforeAll, describe } from 'vitest';
import { testPostgres, type TestPostgres } from '../../src/testing/postgres.ts';
import { serverSuite } from '../../src/testing/servers.ts';
import { databaseContract } from './database.ts';

const suite = await serverSuite('postgres');
describe.skipIf(suite.skip)(suite.title('Postgres'), () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await testPostgres();
  }, 60_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  databaseContract('postgres', async () => postgres.host({ maxConnections: 4 }), 4);
});
