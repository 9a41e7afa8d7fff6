import { manualClock } from '@sallyport/service/clock';
import { beforeEach, describe, expect, it } from 'vitest';
import { createAttempts, type Attempts } from './attempts.ts';

let clock: ReturnType<typeof manualClock>;
let attempts: Attempts;
beforeEach(() => {
  clock = manualClock();
  attempts = createAttempts(() => clock.monotonic());
});

const delayOf = (attempt: ReturnType<Attempts['begin']>) =>
  'retryAfterMs' in attempt ? attempt.retryAfterMs : 0;
const fail = (account = 'user:alice', source = '192.0.2.1') => delayOf(attempts.begin(account, source));

describe('attempts that fail', () => {
  it('wait ever longer, and never longer than a minute', () => {
    const waited: number[] = [];
    for (let n = 0; n < 16; n += 1) {
      const delay = fail();
      waited.push(delay);
      if (delay > 0) {
        clock.advance(delay - 1);
        expect(fail()).toBe(1);
        clock.advance(1);
        expect(fail()).toBe(0);
      }
    }
    expect(waited.slice(0, 9)).toEqual([0, 0, 0, 0, 0, 1000, 2000, 4000, 8000]);
    expect(Math.max(...waited)).toBe(60_000);
  });

  it('at the same time are as many', () => {
    const started = Array.from({ length: 100 }, () => fail());
    expect(started.filter((delay) => delay === 0)).toHaveLength(5);
  });

  it('of one account from many places slow down strangers and not who came from a known place', () => {
    const known = attempts.begin('user:alice', '198.51.100.1');
    if ('retryAfterMs' in known) throw new Error('delayed');
    known.succeeded();
    for (let n = 0; n < 40; n += 1) fail('user:alice', `203.0.113.${n}`);
    expect(fail('user:alice', '203.0.113.200')).toBeGreaterThan(0);
    expect(fail('user:alice', '203.0.113.200')).toBeLessThanOrEqual(30_000);
    expect(fail('user:alice', '198.51.100.1')).toBe(0);
    expect(fail('user:bob', '203.0.113.200')).toBe(0);
  });

  it('from one place at many accounts are slowed down', () => {
    const delays = Array.from({ length: 40 }, (_, n) => fail(`user:u${n}`));
    expect(delays.filter((delay) => delay === 0)).toHaveLength(30);
    expect(fail('user:other', '198.51.100.7')).toBe(0);
  });

  it('are forgotten after a quarter of an hour', () => {
    for (let n = 0; n < 5; n += 1) fail();
    expect(fail()).toBeGreaterThan(0);
    clock.advance(15 * 60_000 + 1);
    expect(Array.from({ length: 5 }, () => fail())).toEqual([0, 0, 0, 0, 0]);
  });
});

it('one that succeeds starts the count anew for that pair only', () => {
  for (let n = 0; n < 4; n += 1) fail();
  const good = attempts.begin('user:alice', '192.0.2.1');
  if ('retryAfterMs' in good) throw new Error('delayed');
  good.succeeded();
  expect(Array.from({ length: 5 }, () => fail())).toEqual([0, 0, 0, 0, 0]);
  expect(fail()).toBeGreaterThan(0);
});
