import { sql } from 'kysely';
import type { Database } from '@sallyport/service/database';
import type { PskStore } from '../app/ports.ts';
import { pskOf, pskRow, type AuthSchema } from './rows.ts';
import { enqueue, revokeOpen } from './transaction.ts';

export function postgresPsks(database: Database<AuthSchema>): PskStore {
  const { kysely } = database;
  return {
    find: async (pskId) => {
      const row = await kysely.selectFrom('psk').selectAll().where('psk_id', '=', pskId).executeTakeFirst();
      return row && pskOf(row);
    },
    list: async (principal, limit) => {
      let query = kysely.selectFrom('psk').selectAll();
      if (principal !== undefined) query = query.where('principal', '=', principal);
      const rows = await query.orderBy('created_at', 'desc').orderBy('psk_id').limit(limit).execute();
      return rows.map(pskOf);
    },
    insert: (psk, event, maxLive) =>
      database.transaction(async (tx) => {
        // Counting and inserting alone, per principal: no row exists yet that could be locked instead.
        await sql`select pg_advisory_xact_lock(hashtextextended(${psk.principal}, 0))`.execute(tx);
        const live = await tx
          .selectFrom('psk')
          .select('psk_id')
          .where('principal', '=', psk.principal)
          .where('revoked_at', 'is', null)
          .where('not_after', '>=', new Date(psk.createdAt))
          .limit(maxLive)
          .execute();
        if (live.length >= maxLive) return 'full';
        await tx.insertInto('psk').values(pskRow(psk)).execute();
        await enqueue(tx, [event]);
        return 'inserted';
      }),
    revoke: ({ pskId, credentialDigest, ended, pskEvent, sessionEvent }) =>
      database.transaction(async (tx) => {
        const row = await tx
          .updateTable('psk')
          .set({ revoked_at: new Date(ended.at) })
          .where('psk_id', '=', pskId)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (row === undefined) {
          const known = await tx
            .selectFrom('psk')
            .select('psk_id')
            .where('psk_id', '=', pskId)
            .executeTakeFirst();
          return known === undefined ? 'unknown' : 'revoked_before';
        }
        await enqueue(tx, [pskEvent(pskOf(row))]);
        await revokeOpen(tx, (e) => e('credential_digest', '=', credentialDigest), ended, sessionEvent);
        return 'revoked';
      }),
  };
}
