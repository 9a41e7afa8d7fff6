/** Everything in memory: the fake of every test of a use case, and held to the same contract as the database. */
import { constantTimeEqual, toHex } from '@sallyport/crypto';
import type { OwedStep, PasswordEnding, SessionEvent, StoredPassword } from '../app/ports.ts';
import type { AuthEvent } from '../domain/events.ts';
import type { Psk } from '../domain/psk.ts';
import { endedAt, type Ended, type Revocation, type Session } from '../domain/session.ts';
import type { AuthStore } from './store.ts';

interface FeedRow extends Revocation {
  readonly owes: Set<OwedStep>;
  readonly madeAt: number;
}

/** Nothing in here awaits between reading and writing, so every method is a transaction. */
export function memoryStore(): AuthStore {
  const sessions = new Map<string, Session>();
  const psks = new Map<string, Psk>();
  const passwords = new Map<string, StoredPassword>();
  const outbox = new Map<string, AuthEvent>();
  let feed: FeedRow[] = [];
  let last = 0n;
  let decoy: Uint8Array | undefined;

  const enqueue = (event: AuthEvent) => void outbox.set(event.id, event);

  function end(session: Session, ended: Ended, event: SessionEvent): void {
    sessions.set(toHex(session.sessionId), { ...session, ended });
    enqueue(event(session));
  }

  function revokeOpen(
    matches: (session: Session) => boolean,
    ended: Ended,
    event: SessionEvent,
  ): Uint8Array[] {
    const open = [...sessions.values()]
      .filter((session) => session.ended === undefined && matches(session))
      .sort((a, b) => -newestFirst(a, b));
    for (const session of open) {
      end(session, ended, event);
      last += 1n;
      const { sessionId } = session;
      const owes = new Set<OwedStep>(
        session.kind === 'token' ? ['announced'] : ['announced', 'key_destroyed'],
      );
      feed.push({ number: last, sessionId, cause: ended.cause, madeAt: ended.at, owes });
    }
    return open.map(({ sessionId }) => sessionId);
  }

  function endStanding({ credentialDigest, ended, event, sessionEvent }: PasswordEnding): Uint8Array[] {
    enqueue(event);
    return revokeOpen(
      (session) => constantTimeEqual(session.credentialDigest, credentialDigest),
      ended,
      sessionEvent,
    );
  }

  return {
    sessions: {
      find: async (sessionId) => sessions.get(toHex(sessionId)),
      list: async ({ principal, includeEnded, now, after, limit }) =>
        [...sessions.values()]
          .filter((session) => principal === undefined || session.principal === principal)
          .filter((session) => includeEnded || endedAt(session, now) === undefined)
          .filter((session) => after === undefined || newestFirst(after, session) < 0)
          .sort(newestFirst)
          .slice(0, limit),
      open: async (session, event, pskId) => {
        if (sessions.has(toHex(session.sessionId))) return 'session_reused';
        const psk = pskId && psks.get(toHex(pskId));
        if (pskId !== undefined && (psk === undefined || psk.revokedAt !== undefined)) return 'psk_revoked';
        sessions.set(toHex(session.sessionId), session);
        enqueue(event);
        return 'opened';
      },
      end: async (sessionId, ended, event) => {
        const session = sessions.get(toHex(sessionId));
        if (session?.kind !== 'channel') return 'unknown';
        if (session.ended !== undefined) return 'ended';
        end(session, ended, event);
        return 'done';
      },
      expire: async (now, limit, event) => {
        const over = [...sessions.values()]
          .filter((session) => session.ended === undefined && session.notAfter < now)
          .sort((a, b) => a.notAfter - b.notAfter)
          .slice(0, limit);
        for (const session of over) end(session, { how: 'expired', at: now, cause: 'expired' }, event);
        return over.length;
      },
      forget: async (endedBefore) => {
        for (const [id, { ended }] of sessions) {
          if (ended !== undefined && ended.at < endedBefore) sessions.delete(id);
        }
      },
    },
    tokenSessions: {
      open: async (session, events, { recentSince, maxRecent }) => {
        const { sessionId, principal, parentSessionId, openedAt } = session;
        const parent = parentSessionId && sessions.get(toHex(parentSessionId));
        if (
          parentSessionId !== undefined &&
          (parent === undefined || endedAt(parent, openedAt) !== undefined)
        )
          return 'parent_over';
        const recent = [...sessions.values()].filter(
          (other) =>
            other.kind === 'token' &&
            other.principal === principal &&
            (other.openedAt > recentSince || endedAt(other, openedAt) === undefined),
        );
        if (recent.length >= maxRecent) return 'full';
        if (sessions.has(toHex(sessionId))) return 'session_reused';
        sessions.set(toHex(sessionId), session);
        events.forEach(enqueue);
        return 'opened';
      },
      note: async (sessionId, now, event) => {
        const session = sessions.get(toHex(sessionId));
        if (session?.kind !== 'token' || endedAt(session, now) !== undefined) return false;
        enqueue(event);
        return true;
      },
    },
    feed: {
      revoke: async (target, ended, event) => {
        if (target.kind === 'principal')
          return revokeOpen((session) => session.principal === target.principal, ended, event);
        const id = toHex(target.sessionId);
        if (!sessions.has(id)) return undefined;
        return revokeOpen(
          ({ sessionId, parentSessionId }) =>
            toHex(sessionId) === id || (parentSessionId !== undefined && toHex(parentSessionId) === id),
          ended,
          event,
        );
      },
      since: async (after, limit) => ({
        revocations: feed
          .filter((row) => row.number > after)
          .slice(0, limit)
          .map(revocationOf),
        last,
      }),
      last: async () => last,
      owed: async (step, limit) =>
        feed
          .filter(({ owes }) => owes.has(step))
          .slice(0, limit)
          .map(revocationOf),
      pay: async (numbers, step) => {
        for (const row of feed) if (numbers.includes(row.number)) row.owes.delete(step);
      },
      forget: async (madeBefore) => {
        feed = feed.filter((row) => row.madeAt >= madeBefore || row.owes.size > 0);
      },
    },
    psks: {
      find: async (pskId) => psks.get(toHex(pskId)),
      list: async (principal, limit) =>
        [...psks.values()]
          .filter((psk) => principal === undefined || psk.principal === principal)
          .sort((a, b) => b.createdAt - a.createdAt || compare(toHex(a.pskId), toHex(b.pskId)))
          .slice(0, limit),
      insert: async (psk, event, maxLive) => {
        const live = [...psks.values()].filter(
          ({ principal, revokedAt, notAfter }) =>
            principal === psk.principal && revokedAt === undefined && notAfter >= psk.createdAt,
        );
        if (live.length >= maxLive) return 'full';
        psks.set(toHex(psk.pskId), psk);
        enqueue(event);
        return 'inserted';
      },
      revoke: async ({ pskId, credentialDigest, ended, pskEvent, sessionEvent }) => {
        const psk = psks.get(toHex(pskId));
        if (psk === undefined) return 'unknown';
        if (psk.revokedAt !== undefined) return 'revoked_before';
        psks.set(toHex(pskId), { ...psk, revokedAt: ended.at });
        enqueue(pskEvent(psk));
        revokeOpen(
          (session) => constantTimeEqual(session.credentialDigest, credentialDigest),
          ended,
          sessionEvent,
        );
        return 'revoked';
      },
    },
    passwords: {
      find: async (principal) => passwords.get(principal),
      set: async (password, ending) => {
        passwords.set(password.principal, password);
        return endStanding(ending);
      },
      remove: async (principal, ending) => (passwords.delete(principal) ? endStanding(ending) : undefined),
    },
    decoys: {
      find: async () => decoy,
      insert: async (sealed) => (decoy ??= sealed),
    },
    outbox: {
      pending: async (limit) => [...outbox.values()].slice(0, limit),
      remove: async (ids) => ids.forEach((id) => outbox.delete(id)),
    },
  };
}

type Position = Pick<Session, 'openedAt' | 'sessionId'>;

/** The order of lists: time descending, then id ascending. */
function newestFirst(a: Position, b: Position): number {
  return b.openedAt - a.openedAt || compare(toHex(a.sessionId), toHex(b.sessionId));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function revocationOf({ number, sessionId, cause }: Revocation): Revocation {
  return { number, sessionId, cause };
}
