import { expect, test } from 'vitest';
import { manualClock, systemClock } from './index.ts';

test('the system clock reads civil time, and a monotonic time that does not go back', () => {
  const clock = systemClock();
  const before = Date.now();
  const now = clock.now();
  expect(now >= before && now <= Date.now()).toBe(true);
  const readings = Array.from({ length: 100 }, () => clock.monotonic());
  expect(readings).toEqual(readings.toSorted((a, b) => a - b));
});

test('a manual clock moves only when told to', () => {
  const clock = manualClock(1000);
  expect([clock.now(), clock.monotonic()]).toEqual([1000, 0]);
  clock.advance(5);
  expect([clock.now(), clock.monotonic()]).toEqual([1005, 5]);
});

test('setting civil time does not touch durations', () => {
  const clock = manualClock(1000);
  clock.advance(5);
  clock.setNow(10);
  expect([clock.now(), clock.monotonic()]).toEqual([10, 5]);
});

test.each([-1, Number.NaN])('advancing by %s is refused', (ms) => {
  expect(() => manualClock().advance(ms)).toThrow(RangeError);
});
