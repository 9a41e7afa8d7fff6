import { expect, test } from 'vitest';
import { Claims } from './claims.ts';

const NOW_MS = 1_800_000_000_000;
const digest = new Uint8Array(32);
const FRESHNESS_MS = 30_000;
const RETENTION_MS = 5 * 60_000;

/** As many as `count` requests taken on and answered, a frame of 256 at a time. */
function answer(claims: Claims, count: number, name: string, nowMs: number): void {
  let taken = 0;
  for (let at = 0; at < count; at += 1) {
    if (at % 256 === 0) claims.turn(nowMs);
    if (claims.claim({ correlation: `${name}${at}`, digest }, nowMs) === 'new') taken += 1;
    claims.conclude(`${name}${at}`, undefined, nowMs);
  }
  expect(taken).toBe(count);
}

test('a session that sends faster than its ledger forgets by time is never told to wait', () => {
  const claims = new Claims();
  answer(claims, 300_000, 'c', NOW_MS);
  // The last 65,536 are known, whatever came before them.
  expect(claims.claim({ correlation: 'c299999', digest }, NOW_MS)).toBe('done');
  expect(claims.claim({ correlation: `c${300_000 - 65_536}`, digest }, NOW_MS)).toBe('done');
});

test('what was forgotten before its time is unknown when it is sent again, never new', () => {
  const claims = new Claims();
  const first = { correlation: 'first', digest, firstSentAtMs: NOW_MS + FRESHNESS_MS - 1 };
  claims.turn(NOW_MS);
  expect(claims.claim(first, NOW_MS)).toBe('new');
  claims.conclude('first', undefined, NOW_MS);
  answer(claims, 70_000, 'a', NOW_MS + 1);
  expect(claims.claim(first, NOW_MS + 1)).toBe('done');
  answer(claims, 70_000, 'b', NOW_MS + 2);
  expect(claims.claim(first, NOW_MS + 2)).toBe('unknown');
});

test('what still runs is not forgotten before its time either', () => {
  const claims = new Claims();
  claims.turn(NOW_MS);
  expect(claims.claim({ correlation: 'slow', digest }, NOW_MS)).toBe('new');
  answer(claims, 300_000, 'c', NOW_MS);
  expect(claims.claim({ correlation: 'slow', digest }, NOW_MS)).toBe('running');
});

test('a resend whose time was ahead of the gateway is unknown as soon as its claim may be gone', () => {
  const claims = new Claims();
  claims.turn(NOW_MS);
  const claimedAtMs = NOW_MS + RETENTION_MS - 1;
  const first = { correlation: 'first', digest, firstSentAtMs: claimedAtMs + FRESHNESS_MS };
  expect(claims.claim(first, claimedAtMs)).toBe('new');
  claims.conclude('first', undefined, claimedAtMs);
  claims.turn(NOW_MS + RETENTION_MS);
  claims.turn(NOW_MS + 2 * RETENTION_MS);
  expect(claims.claim(first, NOW_MS + 2 * RETENTION_MS)).toBe('unknown');
});
