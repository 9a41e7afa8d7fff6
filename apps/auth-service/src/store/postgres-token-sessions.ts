import { sql } from 'kysely';
import type { Database } from '@sallyport/service/database';
import type { TokenSessionStore } from '../app/ports.ts';
import { sessionRow, type AuthSchema } from './rows.ts';
import { enqueue, type Tx } from './transaction.ts';

export function postgresTokenSessions(database: Database<AuthSchema>): TokenSessionStore {
  return {
    open: (session, events, { recentSince, maxRecent }) =>
      database.transaction(async (tx) => {
        await againstRevocation(tx);
        const { principal, parentSessionId, openedAt } = session;
        if (parentSessionId !== undefined) {
          const parent = await tx
            .selectFrom('session')
            .select('session_id')
            .where('session_id', '=', parentSessionId)
            .where('ended', 'is', null)
            .where('not_after', '>=', new Date(openedAt))
            .executeTakeFirst();
          if (parent === undefined) return 'parent_over';
        }
        // Counting and inserting alone, per principal.
        await sql`select pg_advisory_xact_lock(hashtextextended(${principal}, 1))`.execute(tx);
        const recent = await tx
          .selectFrom('session')
          .select('session_id')
          .where('principal', '=', principal)
          .where('kind', '=', 'token')
          .where((e) =>
            e.or([
              e('opened_at', '>', new Date(recentSince)),
              e.and([e('ended', 'is', null), e('not_after', '>=', new Date(openedAt))]),
            ]),
          )
          .limit(maxRecent)
          .execute();
        if (recent.length >= maxRecent) return 'full';
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('session')
          .values(sessionRow(session))
          .onConflict((conflict) => conflict.doNothing())
          .executeTakeFirst();
        if (numInsertedOrUpdatedRows !== 1n) return 'session_reused';
        await enqueue(tx, events);
        return 'opened';
      }),
    note: (sessionId, now, event) =>
      database.transaction(async (tx) => {
        const open = await tx
          .selectFrom('session')
          .select('session_id')
          .where('session_id', '=', sessionId)
          .where('kind', '=', 'token')
          .where('ended', 'is', null)
          .where('not_after', '>=', new Date(now))
          .forShare()
          .executeTakeFirst();
        if (open === undefined) return false;
        await enqueue(tx, [event]);
        return true;
      }),
  };
}

/**
 * Held until the commit. A revocation locks this row before it looks for sessions: it waits for us and then sees what we
 * opened, or we wait for it and see what it ended.
 */
async function againstRevocation(tx: Tx): Promise<void> {
  await tx.selectFrom('feed').select('last_number').forShare().executeTakeFirstOrThrow();
}
