/** Commits rows until killed; prints the id of each once its transaction has committed. */
import { openPglite } from '../../src/database/index.ts';

const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error('usage: writer.ts <data folder>');

const host = await openPglite({ dataDir });
const db = await host.forService<{ row: { id: number; body: Uint8Array } }>('writer');
await db.migrate([{ id: '1', up: 'create table row (id integer primary key, body bytea not null)' }]);
const { last } = await db.kysely
  .selectFrom('row')
  .select(({ fn }) => fn.max('id').as('last'))
  .executeTakeFirstOrThrow();
process.stdout.write('ready\n');
for (let id = (last ?? 0) + 1; ; id += 1) {
  await db.transaction(async (tx) => {
    await tx
      .insertInto('row')
      .values({ id, body: new Uint8Array(500) })
      .execute();
  });
  process.stdout.write(`${id}\n`);
}
