import type { Database } from '@sallyport/service/database';
import type { SessionReader, SessionWriter } from '../app/ports.ts';
import { endedColumns, sessionOf, sessionRow, type AuthSchema } from './rows.ts';
import { enqueue } from './transaction.ts';

export function postgresSessions(database: Database<AuthSchema>): SessionReader & SessionWriter {
  const { kysely } = database;
  return {
    find: async (sessionId) => {
      const row = await kysely
        .selectFrom('session')
        .selectAll()
        .where('session_id', '=', sessionId)
        .executeTakeFirst();
      return row && sessionOf(row);
    },
    list: async ({ principal, includeEnded, now, after, limit }) => {
      let query = kysely.selectFrom('session').selectAll();
      if (principal !== undefined) query = query.where('principal', '=', principal);
      if (!includeEnded) query = query.where('ended', 'is', null).where('not_after', '>=', new Date(now));
      if (after !== undefined) {
        const at = new Date(after.openedAt);
        query = query.where((e) =>
          e.or([
            e('opened_at', '<', at),
            e.and([e('opened_at', '=', at), e('session_id', '>', after.sessionId)]),
          ]),
        );
      }
      const rows = await query.orderBy('opened_at', 'desc').orderBy('session_id').limit(limit).execute();
      return rows.map(sessionOf);
    },
    open: (session, event, pskId) =>
      database.transaction(async (tx) => {
        if (pskId !== undefined) {
          // Held until the commit: a revocation either sees this session or is seen here.
          const psk = await tx
            .selectFrom('psk')
            .select('revoked_at')
            .where('psk_id', '=', pskId)
            .forShare()
            .executeTakeFirst();
          if (psk === undefined || psk.revoked_at !== null) return 'psk_revoked';
        }
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('session')
          .values(sessionRow(session))
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows !== 1n) return 'session_reused';
        await enqueue(tx, [event]);
        return 'opened';
      }),
    end: (sessionId, ended, event) =>
      database.transaction(async (tx) => {
        const row = await tx
          .updateTable('session')
          .set(endedColumns(ended))
          .where('session_id', '=', sessionId)
          .where('kind', '=', 'channel')
          .where('ended', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (row !== undefined) {
          await enqueue(tx, [event(sessionOf(row))]);
          return 'done';
        }
        const known = await tx
          .selectFrom('session')
          .select('session_id')
          .where('session_id', '=', sessionId)
          .where('kind', '=', 'channel')
          .executeTakeFirst();
        return known === undefined ? 'unknown' : 'ended';
      }),
    expire: (now, limit, event) =>
      database.transaction(async (tx) => {
        const over = await tx
          .selectFrom('session')
          .select('session_id')
          .where('ended', 'is', null)
          .where('not_after', '<', new Date(now))
          .orderBy('not_after')
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute();
        if (over.length === 0) return 0;
        const rows = await tx
          .updateTable('session')
          .set(endedColumns({ how: 'expired', at: now, cause: 'expired' }))
          .where(
            'session_id',
            'in',
            over.map((row) => row.session_id),
          )
          .returningAll()
          .execute();
        await enqueue(
          tx,
          rows.map((row) => event(sessionOf(row))),
        );
        return rows.length;
      }),
    forget: async (endedBefore) => {
      await kysely
        .deleteFrom('session')
        .where('ended', 'is not', null)
        .where('ended_at', '<', new Date(endedBefore))
        .execute();
    },
  };
}
