/** Rows of the authorization server in Postgres, which PGlite is too. */
import type { Database } from '@sallyport/service/database';
import { sql, type Kysely } from 'kysely';
import type { OAuthRecord, OAuthRecords, OAuthStore } from '../oauth/ports.ts';
import type { OAuthSchema } from './oauth-schema.ts';

/** Expects the migrations to be applied. */
export function postgresOAuth<Schema extends OAuthSchema>(database: Database<Schema>): OAuthStore {
  const narrow = database as unknown as Database<OAuthSchema>;
  return { records: records(narrow), secrets: secrets(narrow) };
}

function columns({ model, id, grant, uid, sealed, expiresAt }: OAuthRecord) {
  return {
    model,
    id,
    grant_hash: grant ?? null,
    uid_hash: uid ?? null,
    sealed,
    expires_at: new Date(expiresAt),
  };
}

function records(database: Database<OAuthSchema>): OAuthRecords {
  const { kysely } = database;
  return {
    find: async (model, by, hash, now) => {
      const row = await kysely
        .selectFrom('oauth_record')
        .select(['id', 'sealed', 'consumed_at'])
        .where('model', '=', model)
        .where(by === 'id' ? 'id' : 'uid_hash', '=', hash)
        .where('expires_at', '>=', new Date(now))
        .executeTakeFirst();
      return row && { id: row.id, sealed: row.sealed, consumedAt: row.consumed_at?.getTime() };
    },
    put: async (record) => {
      const { model: _model, id: _id, ...rest } = columns(record);
      await kysely
        .insertInto('oauth_record')
        .values(columns(record))
        .onConflict((conflict) => conflict.columns(['model', 'id']).doUpdateSet(rest))
        .execute();
    },
    insert: (record, now, maxLive) =>
      database.transaction(async (tx) => {
        if (maxLive !== undefined) {
          // Counting and inserting alone, per model: no row exists yet that could be locked instead.
          await sql`select pg_advisory_xact_lock(hashtextextended(${`oauth ${record.model}`}, 0))`.execute(
            tx,
          );
          const live = await tx
            .selectFrom('oauth_record')
            .select((e) => e.fn.countAll<bigint>().as('count'))
            .where('model', '=', record.model)
            .where('expires_at', '>=', new Date(now))
            .executeTakeFirstOrThrow();
          if (Number(live.count) >= maxLive && !(await makeRoom(tx, record.model, now))) return 'full';
        }
        const row = columns(record);
        const done = await tx
          .insertInto('oauth_record')
          .values(row)
          .onConflict((conflict) =>
            conflict
              .columns(['model', 'id'])
              .doUpdateSet({ ...row, consumed_at: null })
              // One that is over makes room for the next of its name.
              .where('oauth_record.expires_at', '<', new Date(now)),
          )
          .returning('id')
          .executeTakeFirst();
        return done === undefined ? 'exists' : 'inserted';
      }),
    consume: async (model, id, now) => {
      const done = await kysely
        .updateTable('oauth_record')
        .set({ consumed_at: new Date(now) })
        .where('model', '=', model)
        .where('id', '=', id)
        .where('consumed_at', 'is', null)
        .returning('id')
        .executeTakeFirst();
      return done !== undefined;
    },
    remove: async (model, by, hash) => {
      let query = kysely.deleteFrom('oauth_record').where(by === 'id' ? 'id' : 'grant_hash', '=', hash);
      if (by === 'id' || model !== '') query = query.where('model', '=', model);
      await query.execute();
    },
    sweep: async (now, limit) => {
      const gone = await kysely
        .deleteFrom('oauth_record')
        .where((e) =>
          e(
            e.refTuple('model', 'id'),
            'in',
            e
              .selectFrom('oauth_record')
              .select(['model', 'id'])
              .where('expires_at', '<', new Date(now))
              .limit(limit)
              .$asTuple('model', 'id'),
          ),
        )
        .returning('id')
        .execute();
      return gone.length;
    },
  };
}

/** Deletes the first to end of what was never consumed. Whether there was one. */
async function makeRoom(tx: Kysely<OAuthSchema>, model: string, now: number): Promise<boolean> {
  const gone = await tx
    .deleteFrom('oauth_record')
    .where('model', '=', model)
    .where('consumed_at', 'is', null)
    .where('id', '=', (e) =>
      e
        .selectFrom('oauth_record')
        .select('id')
        .where('model', '=', model)
        .where('consumed_at', 'is', null)
        .where('expires_at', '>=', new Date(now))
        .orderBy('expires_at')
        .limit(1),
    )
    .returning('id')
    .executeTakeFirst();
  return gone !== undefined;
}

function secrets({ kysely }: Database<OAuthSchema>): OAuthStore['secrets'] {
  const find = async () =>
    (await kysely.selectFrom('oauth_secret').select('sealed').executeTakeFirst())?.sealed;
  return {
    find,
    insert: async (sealed) => {
      await kysely
        .insertInto('oauth_secret')
        .values({ sealed })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return (await find()) ?? sealed;
    },
  };
}
