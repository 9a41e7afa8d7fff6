/**
 * The replay guard that gateways share, in Redis: one script for each frame (`redis-scripts.ts`), so it is atomic and
 * costs one round trip. Passes the contract suite of the guard in memory, and adds what several gateways and a server that
 * forgets make necessary:
 *
 * - **A server that lost writes** (restarted, failed over to a replica that lagged) is known by its incarnation, by the
 *   session's version and its generation, compared in the script: `epoch_required`, and nothing of this epoch is ever
 *   accepted again. After that, a resend without a claim that was first sent before is `unknown`.
 * - **A call without an answer** may have been done. The frame was refused, so what it claimed was never forwarded; each
 *   claim carries the admission that made it, and a resend takes a failed admission's claim over.
 * - **A gateway that died** has no pulse (`redis-pulse.ts`): its running claims are taken over where the route is
 *   idempotent, and `unknown` elsewhere.
 *
 * Memory per session in Redis: 128 bytes of window and some 600 of state; nonces of the last 60 to 90 seconds, 79 bytes
 * each and at most 2^20; 8,192 running claims and 131,072 finished ones of the last 5 to 10 minutes, about 150 bytes each;
 * 1 MiB of sealed responses for 120 s; a record of at most 16 KiB. All of it goes when the session ends, or 60 s after its
 * notAfter. The server must be told `maxmemory-policy noeviction`, and is not used otherwise.
 */
import { randomBytes, toHex } from '@sallyport/crypto';
import { MAX_ACK_RANGES } from '@sallyport/channel';
import type { Clock } from '@sallyport/service/clock';
import type { Log } from '@sallyport/service/log';
import type {
  ConcludedRequest,
  FrameRefusal,
  GuardSession,
  GuardVerdict,
  RecordVerdict,
  ReplayGuard,
  SessionStore,
} from '../app/ports.ts';
import type { ProofGuard } from '../door/ports.ts';
import { openAnswer, packAnswers } from './redis-answers.ts';
import { createAttachments, raiseVersion } from './redis-attachments.ts';
import { redisCaller } from './redis-caller.ts';
import { claimHolders, TOKEN_BYTES } from './redis-claims.ts';
import { startConclusions } from './redis-conclusions.ts';
import { keysOf } from './redis-keys.ts';
import { openRedisLink } from './redis-link.ts';
import { redisProofGuard } from './redis-proofs.ts';
import { startRedisPulse } from './redis-pulse.ts';
import { SCRIPTS } from './redis-scripts.ts';
import { redisSessionStore } from './redis-store.ts';
import { redisTargetProblems, type RedisTarget } from './redis-target.ts';
import { correlationBytes, missingRanges, packConclusions, packRecords, VERDICT_OF } from './redis-wire.ts';

/** A replay guard that several gateways share. */
export type SharedGuard = AsyncDisposable & {
  readonly guard: ReplayGuard;
  readonly store: SessionStore;
  readonly proofs: ProofGuard;
  /** Rejects, with a message for a person, while frames would be refused. */
  ready(): Promise<void>;
};

export type SharedGuardFactory = (host: { readonly clock: Clock; readonly log: Log }) => Promise<SharedGuard>;

/** For `composeGateway`'s `guard` part. Throws `TypeError` for a target that cannot be right; never waits for Redis. */
export function redisReplayGuard(target: RedisTarget): SharedGuardFactory {
  const problems = redisTargetProblems(target);
  if (problems.length > 0) throw new TypeError(problems.join('; '));
  return ({ clock, log }) => Promise.resolve(openSharedGuard(target, clock, log));
}

function openSharedGuard(target: RedisTarget, clock: Pick<Clock, 'now'>, log: Log): SharedGuard {
  const link = openRedisLink(target);
  const caller = redisCaller(link);
  const token = Buffer.from(randomBytes(TOKEN_BYTES));
  const pulse = startRedisPulse(caller, toHex(token), log);
  const attachments = createAttachments();
  const claims = claimHolders(caller, pulse, token);
  const conclusions = startConclusions({
    send: concludeNow,
    holder: claims.latest,
    onLost: (count) => log.warn('conclusions could not be told to Redis', { count }),
  });

  function refuseIfAway(): void {
    const problem = pulse.problem();
    if (problem !== undefined) throw problem;
  }

  async function concludeNow(
    session: GuardSession,
    results: readonly ConcludedRequest[],
    holder: Buffer,
  ): Promise<void> {
    const of = attachments.of(session);
    const { s, q, done, responses, order } = keysOf(session.sessionId);
    const batches = packAnswers(results, session.sessionId, of.responseKey).map(
      async ({ blobId, sealed, conclusions: packed }) => {
        const args = [String(clock.now()), holder, blobId, sealed, ...packConclusions(packed)];
        return caller.run(SCRIPTS.conclude, [s, q, ...done, responses, order], args);
      },
    );
    for (const reply of await Promise.all(batches)) {
      const [status, version] = reply as [Buffer, number?];
      if (String(status) === 'ok') raiseVersion(of, version);
    }
  }

  const guard: ReplayGuard = {
    async attach({ sessionId, notAfterMs, responseKey }) {
      refuseIfAway();
      const args = [String(clock.now()), String(notAfterMs), '', '', ''];
      const { s, record } = keysOf(sessionId);
      const reply = (await caller.run(SCRIPTS.attach, [s, record], args)) as [Buffer, number, number];
      const session = { sessionId, generation: reply[1] };
      attachments.add(session, { responseKey, version: reply[2] });
      return session;
    },

    async admit(session, records): Promise<GuardVerdict> {
      refuseIfAway();
      const of = attachments.of(session);
      const { s, nonces, q, done } = keysOf(session.sessionId);
      const admission = claims.begin();
      const packed = packRecords(records, admission.holder, session.generation);
      const nowMs = String(clock.now());
      const args = [String(session.generation), String(of.version), nowMs, ...packed];
      try {
        const reply = await caller.run(SCRIPTS.admit, [s, ...nonces, q, ...done], args);
        const [status, version, highest, lost, letters, window, holders] = reply as AdmitReply;
        if (String(status) !== 'ok') return { kind: 'refused', cause: String(status) as FrameRefusal };
        raiseVersion(of, version);
        const missing = missingRanges(window, highest, MAX_ACK_RANGES);
        const verdicts = verdictsOf(String(letters), records.length);
        if (holders.length > 0) await claims.settle(session, of, records, verdicts, holders, admission);
        return { kind: 'admitted', verdicts, received: { highest, lost, missing } };
      } catch (error) {
        admission.failed();
        throw error;
      }
    },

    conclude: (session, results) => conclusions.conclude(session, results),

    async response(session, correlation) {
      const { responseKey } = attachments.of(session);
      const { done, responses } = keysOf(session.sessionId);
      const args = [String(clock.now()), correlationBytes(correlation)];
      const reply = (await caller.run(SCRIPTS.response, [...done, responses], args)) as ResponseReply;
      const [blobId, offset, length, sealed] = reply;
      if (blobId === undefined || sealed === undefined) return undefined;
      return openAnswer(
        { blobId, offset: offset ?? 0, length: length ?? 0, sealed },
        session.sessionId,
        responseKey,
      );
    },

    async revoke(sessionId) {
      await caller.run(SCRIPTS.revoke, [keysOf(sessionId).s], []);
    },

    async close(session) {
      await caller.run(SCRIPTS.close, keysOf(session.sessionId).all, [String(session.generation)]);
    },
  };

  return {
    guard,
    store: redisSessionStore({ caller, clock, attachments, refuseIfAway }),
    proofs: redisProofGuard({ caller, clock, refuseIfAway }),
    ready: () => pulse.beat(),
    async [Symbol.asyncDispose]() {
      await conclusions[Symbol.asyncDispose]();
      await pulse[Symbol.asyncDispose]();
      link.close();
    },
  };
}

type AdmitReply = [Buffer, number, number, number, Buffer, Buffer, Buffer];
type ResponseReply = [Buffer?, number?, number?, Buffer?];

/** Without a word on any of them, all are new. */
function verdictsOf(letters: string, count: number): RecordVerdict[] {
  if (letters === '') return Array.from({ length: count }, () => 'new');
  return Array.from(letters, (letter) => VERDICT_OF[letter] ?? 'duplicate');
}
