import { expect, test } from 'vitest';
import { Breaker, type Passage } from './breaker.ts';

const config = { minCalls: 4, failureRatio: 0.5, windowMs: 1_000, openMs: 500 };

function start() {
  let now = 0;
  const breaker = new Breaker(config, () => now);
  const call = (isHealthy: boolean | undefined): void => breaker.enter()?.(isHealthy);
  return {
    breaker,
    call,
    calls: (...results: (boolean | undefined)[]): void => results.forEach(call),
    pass: (ms: number): void => void (now += ms),
  };
}

test.each<[string, (boolean | undefined)[], 'closed' | 'open']>([
  ['fewer calls than count', [false, false, false], 'closed'],
  ['half of enough', [true, false, true, false], 'open'],
  ['less than half', [true, true, true, false, true, false], 'closed'],
  ['calls that say nothing', [undefined, undefined, undefined, undefined, false], 'closed'],
  ['all', [false, false, false, false], 'open'],
])('%s: %j leave it %s', (_, results, state) => {
  const { breaker, calls } = start();
  calls(...results);
  expect(breaker.state).toBe(state);
});

test('failures are forgotten with their time', () => {
  const { breaker, calls, pass } = start();
  calls(false, false, false);
  pass(1_100);
  calls(false, true, true, true);
  expect(breaker.state).toBe('closed');
});

test('open, nothing passes; half-open, one does; its success closes', () => {
  const { breaker, calls, pass } = start();
  calls(false, false, false, false);
  expect(breaker.enter()).toBeUndefined();
  expect(breaker.restMs).toBe(500);
  pass(499);
  expect(breaker.enter()).toBeUndefined();
  pass(1);
  expect(breaker.state).toBe('half_open');
  const probe = breaker.enter();
  expect(breaker.enter()).toBeUndefined();
  probe?.(true);
  expect(breaker.state).toBe('closed');
  calls(false, false, false);
  expect(breaker.state).toBe('closed');
});

test('a probe that fails opens anew, one that says nothing makes room for the next', () => {
  const { breaker, calls, pass } = start();
  calls(false, false, false, false);
  pass(500);
  breaker.enter()?.(undefined);
  const probe = breaker.enter();
  expect(probe).toBeDefined();
  probe?.(false);
  expect(breaker.state).toBe('open');
  expect(breaker.restMs).toBe(500);
});

test('what began before it opened counts neither against it nor for it', () => {
  const { breaker, calls, pass } = start();
  const early: (Passage | undefined)[] = [breaker.enter(), breaker.enter()];
  calls(false, false, false, false);
  early[0]?.(false);
  expect(breaker.restMs).toBe(500);
  pass(500);
  early[1]?.(true);
  expect(breaker.state).toBe('half_open');
});
