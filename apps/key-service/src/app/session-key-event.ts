import { toHex } from '@sallyport/crypto';
import type { Actor, KeyEvent, KeyEventCause } from '../domain/key-event.ts';
import type { Random, SessionKeyEvent } from './ports.ts';

/** Makes the events of session keys that share an actor, an instant and a cause. */
export function sessionKeyEvent(
  random: Random,
  timeMs: number,
  actor: Actor,
  change: KeyEvent['change'],
  cause: KeyEventCause,
): SessionKeyEvent {
  return (sessionId, tenant) => ({
    id: toHex(random(16)),
    timeMs,
    actor,
    change,
    cause,
    subject: { type: 'session-key', tenant, sessionId: toHex(sessionId) },
  });
}
