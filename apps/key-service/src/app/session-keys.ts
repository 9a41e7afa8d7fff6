/** The life of session keys after they were made: renewed, destroyed on request, destroyed when their lease runs out. */
import { invalidArgument, tooLarge } from '@sallyport/service/errors';
import type { TellEvents } from '@sallyport/service/lifecycle';
import { SELF } from '../domain/key-event.ts';
import { CLOCK_SKEW_MS, MAX_SESSION_IDS, SESSION_ID_BYTES, TOMBSTONE_MS } from '../domain/limits.ts';
import { ownerOf } from '../domain/ownership.ts';
import type { Lease } from '../domain/session-key.ts';
import type { Now, Random, SessionKeyStore } from './ports.ts';
import { sessionKeyEvent } from './session-key-event.ts';

/** Leases of those that are live; the others, and those whose lease already ended, are left out. */
export async function renewLeases(
  ports: {
    readonly sessionKeys: Pick<SessionKeyStore, 'renew'>;
    readonly now: Now;
    readonly leaseMs: number;
  },
  sessionIds: readonly Uint8Array[],
): Promise<readonly Lease[]> {
  checkSessionIds(sessionIds);
  return ports.sessionKeys.renew(sessionIds, ports.now(), ports.leaseMs);
}

/** Who signs bindings also takes them back. */
const BINDING_OWNER = ownerOf('signing', 'session-binding');

export interface DestroySessionKeysPorts {
  readonly sessionKeys: Pick<SessionKeyStore, 'destroy' | 'expire' | 'forget'>;
  readonly tell: TellEvents;
  readonly now: Now;
  readonly random: Random;
}

/**
 * Resolves to how many were live until now. Asking again is harmless. A session without a key yet is marked when
 * auth-service asks, so that a revocation that overtakes CreateSessionKey still wins. A gateway only ends what it began:
 * what it makes up is not kept.
 */
export async function destroySessionKeys(
  ports: DestroySessionKeysPorts,
  caller: string,
  sessionIds: readonly Uint8Array[],
): Promise<number> {
  checkSessionIds(sessionIds);
  const now = ports.now();
  const event = sessionKeyEvent(
    ports.random,
    now,
    { kind: 'service', name: caller },
    'destroyed',
    'requested',
  );
  const tombstoneNotAfter = caller === BINDING_OWNER ? now + TOMBSTONE_MS : undefined;
  const destroyed = await ports.sessionKeys.destroy(sessionIds, now, tombstoneNotAfter, event);
  await ports.tell(); // also when nothing was left: an earlier call may have died before it told
  return destroyed;
}

const SWEEP_BATCH = 500;

/** Destroys the keys whose lease ended and forgets the ids that no binding can bring back. Resolves to how many ended. */
export async function sweepSessionKeys(ports: DestroySessionKeysPorts): Promise<number> {
  const now = ports.now();
  const event = sessionKeyEvent(ports.random, now, SELF, 'destroyed', 'lease_ended');
  let ended = 0;
  for (;;) {
    const batch = await ports.sessionKeys.expire(now, SWEEP_BATCH, event);
    ended += batch;
    if (batch < SWEEP_BATCH) break;
  }
  await ports.sessionKeys.forget(now - CLOCK_SKEW_MS);
  await ports.tell();
  return ended;
}

function checkSessionIds(sessionIds: readonly Uint8Array[]): void {
  if (sessionIds.length > MAX_SESSION_IDS) {
    throw tooLarge(`at most ${MAX_SESSION_IDS} sessions at a time`, { field: 'session_ids' });
  }
  const wrong = sessionIds.findIndex((id) => id.length !== SESSION_ID_BYTES);
  if (wrong !== -1) {
    throw invalidArgument(`a session id has ${SESSION_ID_BYTES} bytes`, { field: `session_ids[${wrong}]` });
  }
}
