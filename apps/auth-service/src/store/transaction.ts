/** Steps that several transactions share. */
import type { ExpressionBuilder, ExpressionWrapper, SqlBool, Transaction } from 'kysely';
import type { SessionEvent } from '../app/ports.ts';
import type { AuthEvent } from '../domain/events.ts';
import type { Ended } from '../domain/session.ts';
import { endedColumns, sessionOf, type AuthSchema } from './rows.ts';

export type Tx = Transaction<AuthSchema>;
type Matches = (
  e: ExpressionBuilder<AuthSchema, 'session'>,
) => ExpressionWrapper<AuthSchema, 'session', SqlBool>;

/** Rows of one statement: far below the 65,535 parameters that Postgres takes. */
const BATCH = 1000;

export async function enqueue(tx: Tx, events: readonly AuthEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += BATCH) {
    const batch = events.slice(from, from + BATCH);
    await tx
      .insertInto('outbox')
      .values(batch.map((event) => ({ id: event.id, event })))
      .execute();
  }
}

/** Ends the open sessions that match, numbers each and tells each. Resolves to their ids, in the order of the numbers. */
export async function revokeOpen(
  tx: Tx,
  matches: Matches,
  ended: Ended,
  event: SessionEvent,
): Promise<Uint8Array[]> {
  // Whoever numbers holds this row until the commit, so that numbers become visible in order.
  const { last_number: last } = await tx
    .selectFrom('feed')
    .select('last_number')
    .forUpdate()
    .executeTakeFirstOrThrow();
  const rows = await tx
    .updateTable('session')
    .set(endedColumns(ended))
    .where('ended', 'is', null)
    .where(matches)
    .returningAll()
    .execute();
  if (rows.length === 0) return [];
  const sessions = rows.map(sessionOf).sort((a, b) => a.openedAt - b.openedAt);
  for (let from = 0; from < sessions.length; from += BATCH) {
    await tx
      .insertInto('revocation')
      .values(
        sessions.slice(from, from + BATCH).map(({ sessionId, kind }, index) => ({
          number: last + BigInt(from + index + 1),
          session_id: sessionId,
          cause: ended.cause,
          made_at: new Date(ended.at),
          key_destroyed: kind === 'token', // it never had a key
        })),
      )
      .execute();
  }
  await tx
    .updateTable('feed')
    .set({ last_number: last + BigInt(sessions.length) })
    .execute();
  await enqueue(tx, sessions.map(event));
  return sessions.map(({ sessionId }) => sessionId);
}
