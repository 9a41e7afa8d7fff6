import { openPglite, type Database, type DatabaseHost } from '@sallyport/service/database';
import { afterAll, beforeAll, describe } from 'vitest';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { Schema } from '../../src/store/rows.ts';
import { storeContract } from './store.ts';

storeContract('memory', async () => memoryStore());

describe('Postgres', () => {
  let host: DatabaseHost;
  let database: Database<Schema>;

  beforeAll(async () => {
    host = await openPglite({ memory: true });
    database = await host.forService<Schema>('audit-service');
    await database.migrate(migrations);
  }, 60_000);

  afterAll(() => host.close());

  storeContract('Postgres (PGlite)', async () => {
    for (const table of ['leaf', 'record', 'checkpoint'] as const)
      await database.kysely.deleteFrom(table).execute();
    return postgresStore(database);
  });
});
