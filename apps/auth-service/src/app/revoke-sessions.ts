/**
 * Ends one session, or all of a principal: one transaction with a numbered row for each, then the audit log, the gateways
 * and key-service. The answer means: committed, recorded, and tried with both.
 */
import { invalidArgument, notFound } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor } from '../domain/events.ts';
import { MAX_TEXT_CHARACTERS, SESSION_ID_BYTES } from '../domain/limits.ts';
import { parseLine } from '../domain/text.ts';
import type { PayRevocations } from './pay-revocations.ts';
import type { Now, Random, RevocationStore, RevocationTarget } from './ports.ts';
import { sessionEnded } from './session-events.ts';

export interface RevokeSessionsPorts {
  readonly feed: Pick<RevocationStore, 'revoke'>;
  readonly tell: TellEvents;
  readonly payRevocations: PayRevocations;
  readonly random: Random;
  readonly now: Now;
}

/**
 * The ids of those that were open. Repeating is harmless. Throws `invalid_argument`, `not_found` for a session that
 * nobody knows, `spool_full`, `unavailable`.
 */
export async function revokeSessions(
  ports: RevokeSessionsPorts,
  actor: Actor,
  target: RevocationTarget | undefined,
  cause: string,
): Promise<readonly Uint8Array[]> {
  const line = parseLine(cause, 'revoked');
  if (line === undefined)
    throw invalidArgument(`one line of at most ${MAX_TEXT_CHARACTERS} characters`, { field: 'cause' });
  const ended = { how: 'revoked', at: ports.now(), cause: line } as const;
  const revoked = await ports.feed.revoke(checked(target), ended, sessionEnded(ports.random, actor, ended));
  if (revoked === undefined) throw notFound('no such session', { field: 'session_id' });
  await Promise.all([ports.tell(), ports.payRevocations()]);
  return revoked;
}

function checked(target: RevocationTarget | undefined): RevocationTarget {
  if (target === undefined) throw invalidArgument('name a session or a principal', { field: 'target' });
  if (target.kind === 'session' && target.sessionId.length !== SESSION_ID_BYTES)
    throw invalidArgument(`a session id has ${SESSION_ID_BYTES} bytes`, { field: 'session_id' });
  if (target.kind === 'principal' && parsePrincipalId(target.principal) === undefined)
    throw invalidArgument('not a principal, which looks like user:alice', { field: 'principal' });
  return target;
}
