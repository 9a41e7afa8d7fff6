import { expect, it } from 'vitest';
import { MAX_FAILURE_ROWS } from '../domain/limits.ts';
import { failures } from './failures.ts';
import type { FailureCount } from './ports.ts';

function started() {
  const recorded: FailureCount[] = [];
  const state = { now: 0, isFull: false };
  const counted = failures({
    record: async (count) => {
      if (state.isFull) throw new Error('full');
      recorded.push(count);
    },
    onFailure: () => undefined,
    now: () => state.now,
  });
  return { counted, recorded, state };
}

it('keeps a flood from any number of sources to a bounded number of events, and loses none of the count', async () => {
  const { counted, recorded } = started();
  const total = 5_000;
  for (let at = 0; at < total; at += 1) counted.count(`10.0.${at >> 8}.${at & 255}`, 'psk_proof');
  await counted.flush();
  expect(recorded.length).toBeLessThanOrEqual(MAX_FAILURE_ROWS + 1);
  expect(recorded.at(-1)).toMatchObject({ source: 'other', cause: 'psk_proof' });
  expect(recorded.reduce((sum, { count }) => sum + count, 0)).toBe(total);
});

it('goes on counting what the spool did not take, over the whole interval', async () => {
  const { counted, recorded, state } = started();
  counted.count('192.0.2.1', 'psk_proof');
  state.isFull = true;
  state.now = 60;
  await expect(counted.flush()).rejects.toThrow('full');
  counted.count('192.0.2.1', 'psk_proof');
  state.isFull = false;
  state.now = 120;
  await counted.flush();
  await counted.flush();
  expect(recorded).toEqual([{ source: '192.0.2.1', cause: 'psk_proof', count: 2, fromMs: 0, toMs: 120 }]);
});
