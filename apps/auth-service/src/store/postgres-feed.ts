import type { Database } from '@sallyport/service/database';
import type { RevocationStore } from '../app/ports.ts';
import type { Revocation } from '../domain/session.ts';
import type { AuthSchema } from './rows.ts';
import { revokeOpen } from './transaction.ts';

export function postgresFeed(database: Database<AuthSchema>): RevocationStore {
  const { kysely } = database;
  const lastNumber = async (): Promise<bigint> => {
    const row = await kysely.selectFrom('feed').select('last_number').executeTakeFirstOrThrow();
    return row.last_number;
  };
  return {
    revoke: (target, ended, event) =>
      database.transaction(async (tx) => {
        if (target.kind === 'principal')
          return revokeOpen(tx, (e) => e('principal', '=', target.principal), ended, event);
        const revoked = await revokeOpen(
          tx,
          // With the tokens that it asked for.
          (e) =>
            e.or([e('session_id', '=', target.sessionId), e('parent_session_id', '=', target.sessionId)]),
          ended,
          event,
        );
        if (revoked.length > 0) return revoked;
        const known = await tx
          .selectFrom('session')
          .select('session_id')
          .where('session_id', '=', target.sessionId)
          .executeTakeFirst();
        return known && [];
      }),
    since: async (after, limit) => {
      // The end of the feed first: what is committed in between is left for the next question, not skipped.
      const last = await lastNumber();
      if (after >= last) return { revocations: [], last };
      const rows = await kysely
        .selectFrom('revocation')
        .select(['number', 'session_id', 'cause'])
        .where('number', '>', after)
        .where('number', '<=', last)
        .orderBy('number')
        .limit(limit)
        .execute();
      return {
        revocations: rows.map(revocationOf),
        last,
      };
    },
    last: lastNumber,
    owed: async (step, limit) => {
      const rows = await kysely
        .selectFrom('revocation')
        .select(['number', 'session_id', 'cause'])
        .where(step, '=', false)
        .orderBy('number')
        .limit(limit)
        .execute();
      return rows.map(revocationOf);
    },
    pay: async (numbers, step) => {
      if (numbers.length === 0) return;
      await kysely
        .updateTable('revocation')
        .set({ [step]: true })
        .where('number', 'in', numbers)
        .execute();
    },
    forget: async (madeBefore) => {
      await kysely
        .deleteFrom('revocation')
        .where('announced', '=', true)
        .where('key_destroyed', '=', true)
        .where('made_at', '<', new Date(madeBefore))
        .execute();
    },
  };
}

function revocationOf(row: {
  readonly number: bigint;
  readonly session_id: Uint8Array;
  readonly cause: string;
}): Revocation {
  return { number: row.number, sessionId: row.session_id, cause: row.cause };
}
