/** A gateway tells that a session ended on its side. */
import { SallyportError, invalidArgument } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import type { Actor } from '../domain/events.ts';
import { SESSION_ID_BYTES } from '../domain/limits.ts';
import { parseCauseWord } from '../domain/text.ts';
import type { Now, Random, SessionWriter } from './ports.ts';
import { sessionEnded } from './session-events.ts';

export interface CloseSessionPorts {
  readonly sessions: Pick<SessionWriter, 'end'>;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly now: Now;
}

/** Closing what is over changes nothing. Throws `invalid_argument`, `session_unknown`, `spool_full`, `unavailable`. */
export async function closeSession(
  ports: CloseSessionPorts,
  actor: Actor,
  sessionId: Uint8Array,
  cause: string,
): Promise<void> {
  if (sessionId.length !== SESSION_ID_BYTES)
    throw invalidArgument(`a session id has ${SESSION_ID_BYTES} bytes`, { field: 'session_id' });
  const word = parseCauseWord(cause, 'closed');
  if (word === undefined)
    throw invalidArgument('at most 64 of a-z, 0-9, dot, dash and underscore', { field: 'cause' });
  const ended = { how: 'closed', at: ports.now(), cause: word } as const;
  const done = await ports.sessions.end(sessionId, ended, sessionEnded(ports.random, actor, ended));
  if (done === 'unknown')
    throw new SallyportError('session_unknown', 'no such session', { field: 'session_id' });
  await ports.tell();
}
