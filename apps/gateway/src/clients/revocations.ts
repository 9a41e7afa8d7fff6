/**
 * Revoked sessions, by the numbered feed of auth-service: effective here within a second of their commit, whether the
 * announcement comes or not (PROTOCOL.md "Revocation"). While nobody can say what is revoked, nothing is admitted.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { toHex } from '@sallyport/crypto';
import { eventsv1, type authv1 } from '@sallyport/proto';
import { unavailable } from '@sallyport/service/errors';
import { followFeed, revocationFeed, type Follower, type FollowOptions } from '@sallyport/service/feed';
import type { ServiceCalls } from '@sallyport/service/grpc';
import type { ReplayGuard } from '../app/ports.ts';
import type { RevokedSessions } from '../app/revoked-sessions.ts';
import type { Sessions } from '../app/sessions.ts';

export type RevocationOptions = Pick<FollowOptions, 'bus' | 'clock' | 'log' | 'meter' | 'deadAfterMs'> & {
  readonly auth: Pick<ServiceCalls<typeof authv1.AuthService>, 'listRevocations'>;
  readonly sessions: Pick<Sessions, 'find'>;
  readonly guard: Pick<ReplayGuard, 'revoke'>;
  /** What this process will not take on, whatever the guard remembers. */
  readonly revoked: Pick<RevokedSessions, 'add'>;
};

/** Rejects with `BusError` when it cannot subscribe. */
export function followRevocations(options: RevocationOptions): Promise<Follower> {
  const { auth, sessions, guard, revoked, ...rest } = options;

  async function apply(sessionId: Uint8Array, cause: string): Promise<void> {
    const id = toHex(sessionId);
    // First what needs no waiting: from here on nothing of the session is forwarded.
    revoked.add(id);
    sessions.find(id)?.end('revoked', cause === '' ? 'revoked' : 'revoked_by_administrator');
    await guard.revoke(id);
  }

  return followFeed({
    ...rest,
    feed: revocationFeed,
    read(payload) {
      const event = revokedOf(payload);
      if (event === undefined) return undefined;
      return { number: event.number, apply: () => apply(event.sessionId, event.cause) };
    },
    async poll(applied, deadlineMs) {
      const { revocations, lastNumber } = await auth.listRevocations(
        { afterNumber: applied },
        { deadlineMs },
      );
      for (const { sessionId, cause } of revocations) await apply(sessionId, cause);
      // A page that is not the last ends before `lastNumber`; an empty one says that the rest is forgotten.
      return { through: revocations.at(-1)?.number ?? lastNumber, last: lastNumber };
    },
  });
}

function revokedOf(payload: Uint8Array): eventsv1.SessionRevoked | undefined {
  try {
    return fromBinary(eventsv1.SessionRevokedSchema, payload);
  } catch {
    return undefined;
  }
}

/**
 * Whether a session that is not in `RevokedSessions` may be revoked all the same: nobody can say, or what was revoked before
 * this process started was not read through yet. Access tokens ask this: unlike a channel's session they live in no record
 * that remembers, so a gateway that has just started would take one that was revoked while it was away.
 */
export function mayMissRevocations(feed: Pick<Follower, 'status'>): boolean {
  return feed.status().state !== 'following';
}

/** The guard's `admit`, while somebody can say what is revoked; undecided otherwise, which is refused retryably. */
export function admitWhileFollowed<G extends Pick<ReplayGuard, 'admit'>>(
  guard: G,
  feed: Pick<Follower, 'isDead'>,
): G['admit'] {
  return async (session, records) => {
    if (feed.isDead()) throw unavailable('nobody can say which sessions are revoked');
    return guard.admit(session, records);
  };
}
