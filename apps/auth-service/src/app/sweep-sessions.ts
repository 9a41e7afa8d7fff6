/** Ends sessions whose time is over, and forgets what ended long ago. */
import type { TellEvents } from '@sallyport/service/lifecycle';
import { SELF } from '../domain/events.ts';
import { RETENTION_MS, SWEEP_BATCH } from '../domain/limits.ts';
import type { Now, Random, RevocationStore, SessionWriter } from './ports.ts';
import { sessionEnded } from './session-events.ts';

export interface SweepSessionsPorts {
  readonly sessions: Pick<SessionWriter, 'expire' | 'forget'>;
  readonly feed: Pick<RevocationStore, 'forget'>;
  readonly tell: TellEvents;
  readonly random: Random;
  readonly now: Now;
}

/** Resolves to how many it ended. Their keys need no call: a lease ends with its binding. */
export async function sweepSessions(ports: SweepSessionsPorts): Promise<number> {
  const now = ports.now();
  const ended = { how: 'expired', at: now, cause: 'expired' } as const;
  const event = sessionEnded(ports.random, SELF, ended);
  let total = 0;
  for (;;) {
    const count = await ports.sessions.expire(now, SWEEP_BATCH, event);
    total += count;
    await ports.tell();
    if (count < SWEEP_BATCH) break;
  }
  await ports.sessions.forget(now - RETENTION_MS);
  await ports.feed.forget(now - RETENTION_MS);
  return total;
}
