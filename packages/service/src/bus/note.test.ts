import { expect, test } from 'vitest';
import { BusError } from './error.ts';
import { busNote } from './note.ts';

test('a bus that answers needs no note', async () => {
  expect(await busNote({ check: async () => undefined })()).toBeUndefined();
});

test.each([
  ['says that it is away', () => Promise.reject(new BusError('unavailable', 'away'))],
  ['does not answer', () => new Promise<void>(() => undefined)],
])('a bus that %s is noted, in time, and does not fail readiness', async (_what, check) => {
  const start = performance.now();
  expect(await busNote({ check })()).toContain('away');
  expect(performance.now() - start).toBeLessThan(900);
});
