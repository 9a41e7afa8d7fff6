import { expect, test } from 'vitest';
import { serialised } from './serialised.ts';

/** A job that counts its runs and how many were ever under way at once. */
function counted(fail: () => boolean = () => false) {
  const seen = { runs: 0, underWay: 0, most: 0 };
  const run = serialised(async () => {
    seen.runs += 1;
    seen.underWay += 1;
    seen.most = Math.max(seen.most, seen.underWay);
    await new Promise(setImmediate);
    seen.underWay -= 1;
    if (fail()) throw new Error('no');
  });
  return { seen, run };
}

test('callers during a run share the one after it', async () => {
  const { seen, run } = counted();
  await Promise.all([run(), run(), run()]);
  expect(seen).toEqual({ runs: 2, underWay: 0, most: 1 });
});

test('who calls between a run and the one that waits joins that one', async () => {
  const { seen, run } = counted();
  const again = run().then(() => run());
  await Promise.all([again, run()]);
  expect(seen).toEqual({ runs: 2, underWay: 0, most: 1 });
});

test('a run that fails fails its own callers and nobody else', async () => {
  let failures = 1;
  const { run } = counted(() => failures-- > 0);
  const outcomes = await Promise.allSettled([run(), run()]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
});
