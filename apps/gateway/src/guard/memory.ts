/**
 * The replay guard of the embedded profile. JavaScript runs a call to its end, so each method is atomic by itself;
 * the Redis adapter does the same in one script and passes the same contract suite.
 *
 * Memory per session: 128 bytes of window, at most 2^20 nonces in three 30 s sets (the epoch's own bound on messages),
 * some 131,072 claims, 1 MiB of kept responses. All of it goes when the session ends or expires.
 */
import { FRESHNESS_MS, SequenceWindow } from '@sallyport/channel';
import type { Clock } from '@sallyport/service/clock';
import type {
  ConcludedRequest,
  GuardSession,
  GuardVerdict,
  RecordClaim,
  RecordVerdict,
  ReplayGuard,
} from '../app/ports.ts';
import { Claims } from './claims.ts';

export type MemoryReplayGuardOptions = {
  readonly clock: Pick<Clock, 'now'>;
  /** Sessions kept at once; beyond it `attach` throws. Default 10,000. */
  readonly maxSessions?: number;
};

type SessionRecord = {
  generation: number;
  readonly notAfterMs: number;
  revoked: boolean;
  readonly window: SequenceWindow;
  readonly nonces: NonceSets;
  readonly claims: Claims;
};

const MAX_MISSING_RANGES = 32;
/** Revoked before they were attached: a session that is being opened meanwhile. */
const MAX_REVOKED_AHEAD = 10_000;

export function memoryReplayGuard(options: MemoryReplayGuardOptions): ReplayGuard {
  const { clock, maxSessions = 10_000 } = options;
  const sessions = new Map<string, SessionRecord>();
  const revokedAhead = new Set<string>();

  function forgetExpired(nowMs: number): void {
    for (const [id, record] of sessions) if (nowMs > record.notAfterMs) sessions.delete(id);
  }

  function current(session: GuardSession): SessionRecord | undefined {
    const record = sessions.get(session.sessionId);
    return record?.generation === session.generation ? record : undefined;
  }

  return {
    async attach({ sessionId, notAfterMs }) {
      const known = sessions.get(sessionId);
      if (known !== undefined) {
        known.generation += 1;
        return { sessionId, generation: known.generation };
      }
      if (sessions.size >= maxSessions) forgetExpired(clock.now());
      if (sessions.size >= maxSessions)
        throw new RangeError(`the replay guard holds ${maxSessions} sessions already`);
      const record = {
        generation: 1,
        notAfterMs,
        revoked: revokedAhead.has(sessionId),
        window: new SequenceWindow(),
        nonces: new NonceSets(),
        claims: new Claims(),
      };
      sessions.set(sessionId, record);
      return { sessionId, generation: 1 };
    },

    async admit(session, records): Promise<GuardVerdict> {
      const nowMs = clock.now();
      const record = sessions.get(session.sessionId);
      if (record === undefined) return { kind: 'refused', cause: 'session_unknown' };
      if (record.revoked) return { kind: 'refused', cause: 'revoked' };
      if (nowMs > record.notAfterMs) return { kind: 'refused', cause: 'expired' };
      if (record.generation !== session.generation) return { kind: 'refused', cause: 'superseded' };
      record.nonces.turn(nowMs);
      record.claims.turn(nowMs);
      const verdicts = records.map((claim) => admitRecord(record, claim, nowMs));
      const { window } = record;
      const received = {
        highest: window.highest,
        lost: window.lost,
        missing: window.missing(MAX_MISSING_RANGES),
      };
      return { kind: 'admitted', verdicts, received };
    },

    async conclude(session, results: readonly ConcludedRequest[]) {
      const record = sessions.get(session.sessionId);
      for (const { correlation, state, response } of results) {
        if (state === 'released') record?.claims.release(correlation);
        else record?.claims.conclude(correlation, response, clock.now());
      }
    },

    async response(session, correlation) {
      return current(session)?.claims.response(correlation, clock.now());
    },

    async revoke(sessionId) {
      const record = sessions.get(sessionId);
      if (record !== undefined) {
        record.revoked = true;
        return;
      }
      revokedAhead.add(sessionId);
      for (const oldest of revokedAhead) {
        if (revokedAhead.size <= MAX_REVOKED_AHEAD) break;
        revokedAhead.delete(oldest);
      }
    },

    async close(session) {
      if (current(session) !== undefined) sessions.delete(session.sessionId);
    },
  };
}

function admitRecord(record: SessionRecord, claim: RecordClaim, nowMs: number): RecordVerdict {
  const verdict = record.window.verdict(claim.seq);
  if (verdict !== 'fresh') return verdict;
  const nonce = Buffer.from(claim.nonce.buffer, claim.nonce.byteOffset, claim.nonce.length).toString(
    'latin1',
  );
  if (record.nonces.has(nonce)) return 'duplicate';
  record.window.accept(claim.seq);
  record.nonces.add(nonce);
  return claim.request === undefined ? 'new' : record.claims.claim(claim.request, nowMs);
}

/** Nonces of the last 60 to 90 seconds: as long as a message can be fresh, either way. */
class NonceSets {
  #sets: [Set<string>, Set<string>, Set<string>] = [new Set(), new Set(), new Set()];
  #turn = 0;

  /** Drops the sets that no fresh message can be in. */
  turn(nowMs: number): void {
    const turn = Math.floor(nowMs / FRESHNESS_MS);
    const steps = this.#turn === 0 ? 3 : Math.min(3, Math.max(0, turn - this.#turn));
    for (let step = 0; step < steps; step += 1) this.#sets = [new Set(), this.#sets[0], this.#sets[1]];
    // A clock set back keeps the sets it has: forgetting early is the one mistake to avoid.
    this.#turn = Math.max(this.#turn, turn);
  }

  has(nonce: string): boolean {
    return this.#sets.some((set) => set.has(nonce));
  }

  add(nonce: string): void {
    this.#sets[0].add(nonce);
  }
}
