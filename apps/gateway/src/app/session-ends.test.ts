import { expect, test } from 'vitest';
import { createSessionEnds } from './session-ends.ts';

function stage(fails = false) {
  const state = { atOnce: 0, most: 0 };
  const closed: string[] = [];
  const destroyed: (readonly string[])[] = [];
  const problems: unknown[] = [];
  const call = async (): Promise<void> => {
    state.atOnce += 1;
    state.most = Math.max(state.most, state.atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    state.atOnce -= 1;
    if (fails) throw new Error('away');
  };
  const ends = createSessionEnds({
    async closeSession(id, cause) {
      closed.push(`${id} ${cause}`);
      await call();
    },
    async destroyKeys(ids) {
      destroyed.push(ids);
      await call();
    },
    onProblem: (error) => void problems.push(error),
  });
  return { ends, state, closed, destroyed, problems };
}

const IDS = Array.from({ length: 1_000 }, (_, index) => `s${index}`);

test('a thousand that end together are told by a few calls at a time, the keys in a few calls', async () => {
  const s = stage();
  for (const id of IDS) s.ends.add(id, 'carrier_closed');
  await s.ends.idle();
  expect(s.closed.toSorted()).toEqual(IDS.map((id) => `${id} carrier_closed`).toSorted());
  expect(s.destroyed.map((ids) => ids.length)).toEqual([256, 256, 256, 232]);
  expect(s.destroyed.flat()).toEqual(IDS);
  expect(s.state.most).toBe(9);
});

test('what cannot be told is reported, and the others are told', async () => {
  const s = stage(true);
  for (const id of IDS.slice(0, 20)) s.ends.add(id, 'revoked');
  await s.ends.idle();
  expect([s.closed.length, s.destroyed.flat().length, s.problems.length]).toEqual([20, 20, 21]);
});

test('one that ends while others are told, or after them, is told too', async () => {
  const s = stage();
  s.ends.add('a', 'revoked');
  await new Promise((resolve) => setImmediate(resolve));
  s.ends.add('b', 'revoked');
  await s.ends.idle();
  s.ends.add('c', 'revoked');
  await s.ends.idle();
  expect([s.closed, s.destroyed.flat()]).toEqual([
    ['a revoked', 'b revoked', 'c revoked'],
    ['a', 'b', 'c'],
  ]);
});
