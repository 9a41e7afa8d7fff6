/** What every replay guard does. The factory gets a clock that the suite moves. */
import { beforeEach, describe, expect, test } from 'vitest';
import { WINDOW_SPAN } from '@sallyport/channel';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import type { GuardSession, GuardVerdict, RecordClaim, ReplayGuard } from '../../src/app/ports.ts';

export type GuardFactory = (clock: ManualClock) => Promise<ReplayGuard>;

const HOUR_MS = 3_600_000;
let counter = 0;

/** A record with a nonce of its own unless one is given. */
function record(seq: number, more: Partial<RecordClaim> = {}): RecordClaim {
  counter += 1;
  const nonce = new Uint8Array(16);
  new DataView(nonce.buffer).setUint32(0, counter);
  return { seq, nonce, ...more };
}

const request = (correlation: string, content = correlation, firstSentAtMs?: number) => ({
  request: {
    correlation,
    digest: new TextEncoder().encode(content.padEnd(32, '.')).slice(0, 32),
    ...(firstSentAtMs === undefined ? {} : { firstSentAtMs }),
  },
});

function verdictsOf(verdict: GuardVerdict): readonly string[] {
  return verdict.kind === 'admitted' ? verdict.verdicts : [verdict.cause];
}

export function replayGuardContract(implementation: string, factory: GuardFactory): void {
  describe(`replay guard contract: ${implementation}`, () => {
    let clock: ManualClock;
    let guard: ReplayGuard;
    let session: GuardSession;
    const admit = async (...records: RecordClaim[]): Promise<readonly string[]> =>
      verdictsOf(await guard.admit(session, records));

    beforeEach(async () => {
      clock = manualClock();
      guard = await factory(clock);
      session = await guard.attach('aa'.repeat(16), clock.now() + HOUR_MS);
    });

    test('admits a frame once and says so for each record of a second time', async () => {
      const records = [record(1), record(2), record(3)];
      expect(await admit(...records)).toEqual(['new', 'new', 'new']);
      expect(await admit(...records)).toEqual(['duplicate', 'duplicate', 'duplicate']);
    });

    test('admits records out of order inside the window', async () => {
      expect(await admit(record(5))).toEqual(['new']);
      expect(await admit(record(3))).toEqual(['new']);
      expect(await admit(record(4), record(3))).toEqual(['new', 'duplicate']);
    });

    test('a nonce counts once, whatever its sequence', async () => {
      const first = record(1);
      expect(await admit(first)).toEqual(['new']);
      expect(await admit(record(2, { nonce: first.nonce }))).toEqual(['duplicate']);
    });

    test('a record twice in one frame counts once', async () => {
      const one = record(1);
      expect(await admit(one, one)).toEqual(['new', 'duplicate']);
    });

    test.each([
      { seq: 5000 - WINDOW_SPAN, verdict: 'stale' },
      { seq: 5000 - WINDOW_SPAN + 1, verdict: 'new' },
      { seq: 5000 + WINDOW_SPAN, verdict: 'new' },
      { seq: 5000 + WINDOW_SPAN + 1, verdict: 'too_far_ahead' },
      { seq: 0, verdict: 'stale' },
    ])('around 5000, sequence $seq is $verdict', async ({ seq, verdict }) => {
      for (let high = WINDOW_SPAN; high < 5000; high += WINDOW_SPAN) await admit(record(high));
      await admit(record(5000));
      expect(await admit(record(seq))).toEqual([verdict]);
    });

    test('a refused record consumes nothing', async () => {
      expect(await admit(record(WINDOW_SPAN + 1))).toEqual(['too_far_ahead']);
      expect(await admit(record(1))).toEqual(['new']);
      expect(await admit(record(WINDOW_SPAN + 1))).toEqual(['new']);
    });

    test('says what has arrived and what is missing', async () => {
      const verdict = await guard.admit(session, [record(1), record(2), record(6)]);
      expect(verdict).toMatchObject({ received: { highest: 6, lost: 0, missing: [{ first: 3, count: 3 }] } });
    });

    test('a request is claimed once; its resend under a new sequence is running, then done', async () => {
      expect(await admit(record(1, request('c1')))).toEqual(['new']);
      expect(await admit(record(2, request('c1')))).toEqual(['running']);
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: Uint8Array.of(1, 2, 3) }]);
      expect(await admit(record(3, request('c1')))).toEqual(['done']);
      expect(await guard.response(session, 'c1')).toEqual(Uint8Array.of(1, 2, 3));
    });

    test('other content under a used correlation is correlation_reuse, before and after it is done', async () => {
      await admit(record(1, request('c1', 'pay 10')));
      expect(await admit(record(2, request('c1', 'pay 99')))).toEqual(['correlation_reuse']);
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: undefined }]);
      expect(await admit(record(3, request('c1', 'pay 99')))).toEqual(['correlation_reuse']);
    });

    test('a conclusion is final: a second one changes nothing', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: Uint8Array.of(1) }]);
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: Uint8Array.of(2) }]);
      expect(await guard.response(session, 'c1')).toEqual(Uint8Array.of(1));
    });

    test('a released request may be sent anew; a done one cannot be released', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [{ correlation: 'c1', state: 'released', response: undefined }]);
      expect(await admit(record(2, request('c1')))).toEqual(['new']);
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: undefined }]);
      await guard.conclude(session, [{ correlation: 'c1', state: 'released', response: undefined }]);
      expect(await admit(record(3, request('c1')))).toEqual(['done']);
    });

    test('a response is kept for 120 s, and the claim for longer', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [{ correlation: 'c1', state: 'done', response: Uint8Array.of(1) }]);
      clock.advance(121_000);
      expect(await guard.response(session, 'c1')).toBeUndefined();
      expect(await admit(record(2, request('c1')))).toEqual(['done']);
    });

    test('a response over 64 KiB is not kept', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [
        { correlation: 'c1', state: 'done', response: new Uint8Array(64 * 1024 + 1) },
      ]);
      expect(await guard.response(session, 'c1')).toBeUndefined();
    });

    test('no more than 1 MiB of responses is kept, the newest of them', async () => {
      for (let index = 0; index < 20; index += 1) {
        await admit(record(index + 1, request(`c${index}`)));
        await guard.conclude(session, [
          { correlation: `c${index}`, state: 'done', response: new Uint8Array(64 * 1024) },
        ]);
      }
      expect(await guard.response(session, 'c0')).toBeUndefined();
      expect(await guard.response(session, 'c19')).toHaveLength(64 * 1024);
    });

    test('what still runs is never forgotten', async () => {
      await admit(record(1, request('slow')));
      for (let turn = 0; turn < 5; turn += 1) {
        clock.advance(6 * 60_000);
        await admit(record(turn + 2));
      }
      expect(await admit(record(10, request('slow')))).toEqual(['running']);
    });

    test('a resend whose claim may have been forgotten is unknown, never new', async () => {
      const firstSentAtMs = clock.now();
      clock.advance(6 * 60_000);
      expect(await admit(record(1, request('c1', 'c1', firstSentAtMs)))).toEqual(['unknown']);
      expect(await admit(record(2, request('c2', 'c2', clock.now() - 1_000)))).toEqual(['new']);
    });

    test('a revocation that overtakes the opening of its session counts', async () => {
      await guard.revoke('bb'.repeat(16));
      session = await guard.attach('bb'.repeat(16), clock.now() + HOUR_MS);
      expect(await admit(record(1))).toEqual(['revoked']);
    });

    test('a revoked session admits nothing, not even what is fresh', async () => {
      await guard.revoke(session.sessionId);
      expect(await admit(record(1))).toEqual(['revoked']);
    });

    test('a session past its end admits nothing', async () => {
      clock.advance(HOUR_MS + 1);
      expect(await admit(record(1))).toEqual(['expired']);
    });

    test('a later attachment supersedes the one before and keeps what was accepted', async () => {
      const seen = record(1);
      await admit(seen);
      const later = await guard.attach(session.sessionId, clock.now() + HOUR_MS);
      expect(await admit(record(2))).toEqual(['superseded']);
      expect(verdictsOf(await guard.admit(later, [seen, record(2)]))).toEqual(['duplicate', 'new']);
    });

    test('a closed session is unknown, and closing is for its own attachment only', async () => {
      const later = await guard.attach(session.sessionId, clock.now() + HOUR_MS);
      await guard.close(session);
      expect(verdictsOf(await guard.admit(later, [record(1)]))).toEqual(['new']);
      await guard.close(later);
      expect(verdictsOf(await guard.admit(later, [record(2)]))).toEqual(['session_unknown']);
    });

    test('sessions do not share sequences, nonces or correlations', async () => {
      const other = await guard.attach('bb'.repeat(16), clock.now() + HOUR_MS);
      const same = record(1, request('c1'));
      expect(await admit(same)).toEqual(['new']);
      expect(verdictsOf(await guard.admit(other, [same]))).toEqual(['new']);
    });

    test('a nonce is remembered as long as its message could be fresh, also when the clock is set back', async () => {
      const first = record(1);
      await admit(first);
      clock.advance(59_000);
      expect(await admit(record(2, { nonce: first.nonce }))).toEqual(['duplicate']);
      clock.setNow(clock.now() - 120_000);
      expect(await admit(record(3, { nonce: first.nonce }))).toEqual(['duplicate']);
    });
  });
}
