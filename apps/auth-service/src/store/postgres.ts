/** Everything in Postgres, which PGlite is too. Every change and its event share a transaction. */
import type { Database } from '@sallyport/service/database';
import type { DecoyStore, Outbox } from '../app/ports.ts';
import { postgresPsks } from './postgres-psks.ts';
import { postgresPasswords } from './postgres-passwords.ts';
import { postgresTokenSessions } from './postgres-token-sessions.ts';
import { postgresFeed } from './postgres-feed.ts';
import { postgresSessions } from './postgres-sessions.ts';
import type { AuthSchema } from './rows.ts';
import type { AuthStore } from './store.ts';

/** Expects the migrations to be applied. */
export function postgresStore(database: Database<AuthSchema>): AuthStore {
  return {
    sessions: postgresSessions(database),
    tokenSessions: postgresTokenSessions(database),
    feed: postgresFeed(database),
    psks: postgresPsks(database),
    passwords: postgresPasswords(database),
    decoys: decoys(database),
    outbox: outbox(database),
  };
}

function decoys({ kysely }: Database<AuthSchema>): DecoyStore {
  const find = async () => (await kysely.selectFrom('decoy').select('sealed').executeTakeFirst())?.sealed;
  return {
    find,
    insert: async (sealed) => {
      await kysely
        .insertInto('decoy')
        .values({ sealed })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return (await find()) ?? sealed;
    },
  };
}

function outbox({ kysely }: Database<AuthSchema>): Outbox {
  return {
    pending: async (limit) => {
      const rows = await kysely
        .selectFrom('outbox')
        .select('event')
        .orderBy('position')
        .limit(limit)
        .execute();
      return rows.map((row) => row.event);
    },
    remove: async (ids) => {
      if (ids.length === 0) return;
      await kysely.deleteFrom('outbox').where('id', 'in', ids).execute();
    },
  };
}
