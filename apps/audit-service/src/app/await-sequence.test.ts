import { manualClock } from '@sallyport/service/clock';
import { expect, test } from 'vitest';
import { awaitSequence } from './await-sequence.ts';

function waiter() {
  const clock = manualClock();
  const state = { looks: 0, has: 0n };
  const wait = awaitSequence({
    leaves: {
      async position() {
        state.looks += 1;
        return state.has;
      },
    },
    monotonic: () => clock.monotonic(),
    sleep: async (ms) => clock.advance(ms),
  });
  return { state, wait };
}

test('waits until the log has what is before', async () => {
  const { state, wait } = waiter();
  const waiting = wait('producer', 7n);
  state.has = 7n;
  expect(await waiting).toBe(true);
});

test('not for ever', async () => {
  const { state, wait } = waiter();
  state.has = 6n;
  expect(await wait('producer', 7n)).toBe(false);
  expect(state.looks).toBeLessThanOrEqual(51);
});

test('many that wait for one producer look once', async () => {
  const { state, wait } = waiter();
  state.has = 9n;
  const found = await Promise.all([3n, 4n, 5n].map((seq) => wait('producer', seq)));
  expect(found).toEqual([true, true, true]);
  expect(state.looks).toBe(1);
});
