import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FeedProgress } from './progress.ts';

const times = { silenceMs: 500, pollMs: 250, maxRetryMs: 1_000 };

test('while polls fail they come ever later, up to the bound, and as before once one is answered', () => {
  const progress = new FeedProgress(times, 0);
  const waits: number[] = [];
  for (let now = 0, i = 0; i < 6; i += 1) {
    progress.pollFailed(now);
    waits.push(progress.dueAtMs() - now);
    now = progress.dueAtMs();
  }
  expect(waits).toEqual([250, 500, 1_000, 1_000, 1_000, 1_000]);
  progress.pollSucceeded(0n, 10_000, 10_000, false);
  progress.pollFailed(10_000);
  expect(progress.dueAtMs()).toBe(10_250);
});

test('news shortens no back-off', () => {
  const progress = new FeedProgress(times, 0);
  for (let i = 0; i < 3; i += 1) progress.pollFailed(0);
  progress.hear(7n, 1);
  progress.doubt();
  expect(progress.dueAtMs()).toBe(1_000);
});

test('an answer is as old as its question', () => {
  const progress = new FeedProgress(times, 0);
  progress.pollSucceeded(0n, 100, 900, false);
  expect(progress.ageMs(1_000)).toBe(900);
});

test('whatever comes, in whatever order: nothing goes back, and current means that nothing is missing', () => {
  const number = fc.bigInt(0n, 20n);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('hear' as const), number }),
    fc.record({ kind: fc.constant('beat' as const), number }),
    fc.record({ kind: fc.constant('advance' as const), number }),
    fc.record({ kind: fc.constant('answer' as const), number }),
    fc.record({ kind: fc.constant('fail' as const), number }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const progress = new FeedProgress(times, 0);
      let highest = 0n;
      let applied = 0n;
      for (const [at, { kind, number: n }] of steps.entries()) {
        const now = at * 10;
        let isCurrent = false;
        if (kind === 'hear') progress.hear(n, now);
        if (kind === 'beat') isCurrent = progress.beat(n, now);
        if (kind === 'advance') progress.advance(n);
        if (kind === 'answer') isCurrent = progress.pollSucceeded(n, now, now, false);
        if (kind === 'fail') progress.pollFailed(now);
        else if (n > highest) highest = n;
        expect(progress.applied).toBeGreaterThanOrEqual(applied);
        applied = progress.applied;
        if (isCurrent) expect(applied).toBe(highest);
        expect(progress.lag).toBe(highest - applied);
        if (isCurrent) expect(progress.ageMs(now)).toBe(0);
      }
    }),
  );
});
