import { toHex } from '@sallyport/crypto';
import type { Actor } from '../domain/events.ts';
import type { Ended } from '../domain/session.ts';
import type { Random, SessionEvent } from './ports.ts';

/** Makes the events of sessions that ended by one actor in one way. */
export function sessionEnded(random: Random, actor: Actor, ended: Ended): SessionEvent {
  return (session) => ({
    kind: 'session_ended',
    id: toHex(random(16)),
    timeMs: ended.at,
    tenant: session.tenant,
    actor,
    principal: session.principal,
    sessionId: toHex(session.sessionId),
    method: session.method,
    how: ended.how,
    cause: ended.cause,
  });
}
