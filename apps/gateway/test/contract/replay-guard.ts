/**
 * What every replay guard does. The factory gets a clock that the suite moves; sessions have ids of their own in each
 * case, so a server may serve all of them. `casesOf` counts what was declared for each implementation.
 */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { WINDOW_SPAN } from '@sallyport/channel';
import { randomBytes, secretKey, toHex } from '@sallyport/crypto';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import type {
  Attachment,
  GuardSession,
  GuardVerdict,
  RecordClaim,
  ReplayGuard,
} from '../../src/app/ports.ts';

export type GuardFactory = (clock: ManualClock) => Promise<ReplayGuard>;

const HOUR_MS = 3_600_000;
const cases = new Map<string, string[]>();
let counter = 0;

/** The names of the cases declared for this implementation. */
export function casesOf(implementation: string): readonly string[] {
  return cases.get(implementation) ?? [];
}

/** A record with a nonce of its own unless one is given. */
export function record(seq: number, more: Partial<RecordClaim> = {}): RecordClaim {
  counter += 1;
  const nonce = new Uint8Array(16);
  new DataView(nonce.buffer).setUint32(0, counter);
  return { seq, nonce, ...more };
}

/** A correlation by name. */
export const named = (name: string): string => createHash('sha256').update(name).digest('hex').slice(0, 32);

export const request = (name: string, content = name, firstSentAtMs?: number) => ({
  request: {
    correlation: named(name),
    digest: new TextEncoder().encode(content.padEnd(32, '.')).slice(0, 32),
    ...(firstSentAtMs === undefined ? {} : { firstSentAtMs }),
  },
});

export const attachment = (clock: Pick<ManualClock, 'now'>, lifeMs = HOUR_MS): Attachment => ({
  sessionId: toHex(randomBytes(16)),
  notAfterMs: clock.now() + lifeMs,
  responseKey: secretKey(randomBytes(32)),
});

export function verdictsOf(verdict: GuardVerdict): readonly string[] {
  return verdict.kind === 'admitted' ? verdict.verdicts : [verdict.cause];
}

export function replayGuardContract(implementation: string, factory: GuardFactory): void {
  describe(`replay guard contract: ${implementation}`, () => {
    let clock: ManualClock;
    let guard: ReplayGuard;
    let session: GuardSession;
    let opened: Attachment;
    const admit = async (...records: RecordClaim[]): Promise<readonly string[]> =>
      verdictsOf(await guard.admit(session, records));

    beforeEach(async () => {
      clock = manualClock();
      guard = await factory(clock);
      opened = attachment(clock);
      session = await guard.attach(opened);
    });

    const declared: string[] = [];
    cases.set(implementation, declared);
    const check = (name: string, run: () => Promise<void>): void => {
      declared.push(name);
      test(name, run);
    };

    check('admits a frame once and says so for each record of a second time', async () => {
      const records = [record(1), record(2), record(3)];
      expect(await admit(...records)).toEqual(['new', 'new', 'new']);
      expect(await admit(...records)).toEqual(['duplicate', 'duplicate', 'duplicate']);
    });

    check('admits records out of order inside the window', async () => {
      expect(await admit(record(5))).toEqual(['new']);
      expect(await admit(record(3))).toEqual(['new']);
      expect(await admit(record(4), record(3))).toEqual(['new', 'duplicate']);
    });

    check('a nonce counts once, whatever its sequence', async () => {
      const first = record(1);
      expect(await admit(first)).toEqual(['new']);
      expect(await admit(record(2, { nonce: first.nonce }))).toEqual(['duplicate']);
    });

    check('a record twice in one frame counts once', async () => {
      const one = record(1);
      expect(await admit(one, one)).toEqual(['new', 'duplicate']);
    });

    for (const { seq, verdict } of [
      { seq: 5000 - WINDOW_SPAN, verdict: 'stale' },
      { seq: 5000 - WINDOW_SPAN + 1, verdict: 'new' },
      { seq: 5000 + WINDOW_SPAN, verdict: 'new' },
      { seq: 5000 + WINDOW_SPAN + 1, verdict: 'too_far_ahead' },
      { seq: 0, verdict: 'stale' },
    ])
      check(`around 5000, sequence ${seq} is ${verdict}`, async () => {
        for (let high = WINDOW_SPAN; high < 5000; high += WINDOW_SPAN) await admit(record(high));
        await admit(record(5000));
        expect(await admit(record(seq))).toEqual([verdict]);
      });

    check('a refused record consumes nothing', async () => {
      expect(await admit(record(WINDOW_SPAN + 1))).toEqual(['too_far_ahead']);
      expect(await admit(record(1))).toEqual(['new']);
      expect(await admit(record(WINDOW_SPAN + 1))).toEqual(['new']);
    });

    check('says what has arrived and what is missing', async () => {
      const verdict = await guard.admit(session, [record(1), record(2), record(6)]);
      expect(verdict).toMatchObject({ received: { highest: 6, lost: 0, missing: [{ first: 3, count: 3 }] } });
    });

    check('a request is claimed once; its resend under a new sequence is running, then done', async () => {
      expect(await admit(record(1, request('c1')))).toEqual(['new']);
      expect(await admit(record(2, request('c1')))).toEqual(['running']);
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(1, 2, 3) },
      ]);
      expect(await admit(record(3, request('c1')))).toEqual(['done']);
      expect(await guard.response(session, named('c1'))).toEqual(Uint8Array.of(1, 2, 3));
    });

    check(
      'other content under a used correlation is correlation_reuse, before and after it is done',
      async () => {
        await admit(record(1, request('c1', 'pay 10')));
        expect(await admit(record(2, request('c1', 'pay 99')))).toEqual(['correlation_reuse']);
        await guard.conclude(session, [{ correlation: named('c1'), state: 'done', response: undefined }]);
        expect(await admit(record(3, request('c1', 'pay 99')))).toEqual(['correlation_reuse']);
      },
    );

    check('a conclusion is final: a second one changes nothing', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(1) },
      ]);
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(2) },
      ]);
      expect(await guard.response(session, named('c1'))).toEqual(Uint8Array.of(1));
    });

    check('a released request may be sent anew; a done one cannot be released', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [{ correlation: named('c1'), state: 'released', response: undefined }]);
      expect(await admit(record(2, request('c1')))).toEqual(['new']);
      await guard.conclude(session, [{ correlation: named('c1'), state: 'done', response: undefined }]);
      await guard.conclude(session, [{ correlation: named('c1'), state: 'released', response: undefined }]);
      expect(await admit(record(3, request('c1')))).toEqual(['done']);
    });

    check('a response is kept for 120 s, and the claim for longer', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(1) },
      ]);
      clock.advance(121_000);
      expect(await guard.response(session, named('c1'))).toBeUndefined();
      expect(await admit(record(2, request('c1')))).toEqual(['done']);
    });

    check('a response over 64 KiB is not kept', async () => {
      await admit(record(1, request('c1')));
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: new Uint8Array(64 * 1024 + 1) },
      ]);
      expect(await guard.response(session, named('c1'))).toBeUndefined();
    });

    check('no more than 1 MiB of responses is kept, the newest of them', async () => {
      for (let index = 0; index < 20; index += 1) {
        await admit(record(index + 1, request(`c${index}`)));
        await guard.conclude(session, [
          { correlation: named(`c${index}`), state: 'done', response: new Uint8Array(64 * 1024) },
        ]);
      }
      expect(await guard.response(session, named('c0'))).toBeUndefined();
      expect(await guard.response(session, named('c19'))).toHaveLength(64 * 1024);
    });

    check('what still runs is never forgotten', async () => {
      await admit(record(1, request('slow')));
      for (let turn = 0; turn < 5; turn += 1) {
        clock.advance(6 * 60_000);
        await admit(record(turn + 2));
      }
      expect(await admit(record(10, request('slow')))).toEqual(['running']);
    });

    check('a resend whose claim may have been forgotten is unknown, never new', async () => {
      const firstSentAtMs = clock.now();
      clock.advance(6 * 60_000);
      expect(await admit(record(1, request('c1', 'c1', firstSentAtMs)))).toEqual(['unknown']);
      expect(await admit(record(2, request('c2', 'c2', clock.now() - 1_000)))).toEqual(['new']);
    });

    check('a revocation that overtakes the opening of its session counts', async () => {
      const later = attachment(clock);
      await guard.revoke(later.sessionId);
      session = await guard.attach(later);
      expect(await admit(record(1))).toEqual(['revoked']);
    });

    check('a revoked session admits nothing, not even what is fresh', async () => {
      await guard.revoke(session.sessionId);
      expect(await admit(record(1))).toEqual(['revoked']);
    });

    check('a session past its end admits nothing', async () => {
      clock.advance(HOUR_MS + 1);
      expect(await admit(record(1))).toEqual(['expired']);
    });

    check('a later attachment supersedes the one before and keeps what was accepted', async () => {
      const seen = record(1);
      await admit(seen);
      const later = await guard.attach(opened);
      expect(await admit(record(2))).toEqual(['superseded']);
      expect(verdictsOf(await guard.admit(later, [seen, record(2)]))).toEqual(['duplicate', 'new']);
    });

    check('a closed session is unknown, and closing is for its own attachment only', async () => {
      const later = await guard.attach(opened);
      await guard.close(session);
      expect(verdictsOf(await guard.admit(later, [record(1)]))).toEqual(['new']);
      await guard.close(later);
      expect(verdictsOf(await guard.admit(later, [record(2)]))).toEqual(['session_unknown']);
    });

    check('sessions do not share sequences, nonces or correlations', async () => {
      const other = await guard.attach(attachment(clock));
      const same = record(1, request('c1'));
      expect(await admit(same)).toEqual(['new']);
      expect(verdictsOf(await guard.admit(other, [same]))).toEqual(['new']);
    });

    check(
      'a nonce is remembered as long as its message could be fresh, also when the clock is set back',
      async () => {
        const first = record(1);
        await admit(first);
        clock.advance(59_000);
        expect(await admit(record(2, { nonce: first.nonce }))).toEqual(['duplicate']);
        clock.setNow(clock.now() - 120_000);
        expect(await admit(record(3, { nonce: first.nonce }))).toEqual(['duplicate']);
      },
    );

    check('256 records in one frame, each with a request', async () => {
      const frame = Array.from({ length: 256 }, (_, index) => record(index + 1, request(`bulk ${index}`)));
      expect(new Set(await admit(...frame))).toEqual(new Set(['new']));
      expect(new Set(await admit(...frame))).toEqual(new Set(['duplicate']));
    });

    check('the same correlation twice in one frame is claimed once', async () => {
      const once = request('c1');
      expect(await admit(record(1, once), record(2, once), record(3, request('c1', 'else')))).toEqual([
        'new',
        'running',
        'correlation_reuse',
      ]);
    });

    check('gaps that are filled are no longer missing; gaps that leave the window are lost', async () => {
      await admit(record(1), record(3), record(5));
      const filled = await guard.admit(session, [record(2)]);
      expect(filled).toMatchObject({ received: { highest: 5, lost: 0, missing: [{ first: 4, count: 1 }] } });
      await admit(record(4 + WINDOW_SPAN));
      const late = await guard.admit(session, [record(5 + WINDOW_SPAN)]);
      expect(late).toMatchObject({ received: { highest: 5 + WINDOW_SPAN, lost: 1 } });
      expect(await admit(record(4))).toEqual(['stale']);
    });

    check('a whole window may be open, and closes as it fills', async () => {
      await admit(record(WINDOW_SPAN));
      const frame = Array.from({ length: 256 }, (_, index) => record(WINDOW_SPAN - 1 - index));
      expect(new Set(await admit(...frame))).toEqual(new Set(['new']));
      const first = WINDOW_SPAN - 257;
      expect(await guard.admit(session, [record(WINDOW_SPAN + 1)])).toMatchObject({
        received: { lost: 1, missing: [{ first: 2, count: first - 1 }] },
      });
    });

    check('frames that are under way together are taken in order', async () => {
      const frames = Array.from({ length: 20 }, (_, frame) =>
        Array.from({ length: 32 }, (_record, index) => record(frame * 32 + index + 1)),
      );
      const verdicts = await Promise.all(frames.map((frame) => guard.admit(session, frame)));
      expect(verdicts.at(-1)).toMatchObject({ received: { highest: 640, lost: 0, missing: [] } });
      expect(verdicts.flatMap((each) => verdictsOf(each)).every((each) => each === 'new')).toBe(true);
    });

    check('the same frame many times at once is admitted once', async () => {
      const frame = [record(1, request('c1')), record(2, request('c2'))];
      const verdicts = await Promise.all(Array.from({ length: 10 }, () => guard.admit(session, frame)));
      expect(verdicts.flatMap((each) => verdictsOf(each)).filter((each) => each === 'new')).toHaveLength(2);
    });

    check('a nonce of a refused sequence is not used up', async () => {
      const early = record(WINDOW_SPAN + 5);
      expect(await admit(early)).toEqual(['too_far_ahead']);
      expect(await admit(record(1, { nonce: early.nonce }))).toEqual(['new']);
    });

    check('what an attachment claimed, it concludes after the next has taken over', async () => {
      await admit(record(1, request('c1')));
      const later = await guard.attach(opened);
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(7) },
      ]);
      expect(verdictsOf(await guard.admit(later, [record(2, request('c1'))]))).toEqual(['done']);
      expect(await guard.response(later, named('c1'))).toEqual(Uint8Array.of(7));
    });

    check('conclusions of one call keep their own responses, those without one included', async () => {
      const names = ['c1', 'c2', 'c3', 'c4'];
      await admit(...names.map((name, index) => record(index + 1, request(name))));
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: new TextEncoder().encode('one') },
        { correlation: named('c2'), state: 'done', response: undefined },
        { correlation: named('c3'), state: 'released', response: undefined },
        { correlation: named('c4'), state: 'done', response: new TextEncoder().encode('four') },
      ]);
      const kept = await Promise.all(names.map((name) => guard.response(session, named(name))));
      expect(kept.map((bytes) => (bytes === undefined ? '-' : new TextDecoder().decode(bytes)))).toEqual([
        'one',
        '-',
        '-',
        'four',
      ]);
      expect(await admit(...names.map((name, index) => record(index + 5, request(name))))).toEqual([
        'done',
        'done',
        'new',
        'done',
      ]);
    });

    check('concluding what was never claimed changes nothing', async () => {
      await guard.conclude(session, [
        { correlation: named('c1'), state: 'done', response: Uint8Array.of(1) },
      ]);
      expect(await guard.response(session, named('c1'))).toBeUndefined();
      expect(await admit(record(1, request('c1')))).toEqual(['new']);
    });

    check('sequences up to 2^53 - 1 are told apart', async () => {
      expect(await admit(record(2 ** 40), record(2 ** 53 - 1))).toEqual(['too_far_ahead', 'too_far_ahead']);
    });
  });
}
