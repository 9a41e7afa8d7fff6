import { openPglite } from '@sallyport/service/database';
import { sql } from 'kysely';
import { memoryStore } from '../../src/store/memory.ts';
import { migrations } from '../../src/store/migrations.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { KeySchema } from '../../src/store/rows.ts';
import { storeContract } from './store.ts';

storeContract('memory', async () => ({
  fresh: async () => memoryStore(),
  [Symbol.asyncDispose]: async () => undefined,
}));

storeContract('PGlite', async () => {
  const host = await openPglite({ memory: true });
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
