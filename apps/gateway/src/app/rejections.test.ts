import { afterEach, expect, test, vi } from 'vitest';
import { startRejections, type RejectionEntry } from './rejections.ts';

afterEach(() => vi.useRealTimers());

function stage() {
  vi.useFakeTimers();
  const entries: RejectionEntry[] = [];
  const state = { nowMs: 1_000, isFull: false, problems: 0, counted: 0 };
  const rejections = startRejections({
    record(entry) {
      if (state.isFull) return Promise.reject(new Error('spool_full'));
      entries.push(entry);
      return Promise.resolve();
    },
    metrics: { rejected: () => void (state.counted += 1) },
    now: () => state.nowMs,
    intervalMs: 1_000,
    onProblem: () => void (state.problems += 1),
  });
  const tick = async (): Promise<void> => {
    state.nowMs += 1_000;
    await vi.advanceTimersByTimeAsync(1_000);
  };
  return { entries, state, rejections, tick };
}

test('counts by source and cause, one record each for an interval', async () => {
  const s = stage();
  for (let count = 0; count < 500; count += 1) s.rejections.count('192.0.2.1', 'truncated');
  s.rejections.count('192.0.2.2', 'truncated');
  s.rejections.count('', 'busy');
  await s.tick();
  expect(s.entries.map(({ peerAddress, cause, count }) => [peerAddress, cause, count])).toEqual([
    ['192.0.2.1', 'truncated', 500],
    ['192.0.2.2', 'truncated', 1],
    ['unknown-source', 'busy', 1],
  ]);
  expect(s.entries[0]).toMatchObject({ fromMs: 1_000, toMs: 2_000 });
  expect(s.state.counted).toBe(502);
  await s.tick();
  expect(s.entries).toHaveLength(3);
});

test('a thousand sources do not make a thousand records, and none is lost', async () => {
  const s = stage();
  for (let source = 0; source < 1000; source += 1) s.rejections.count(`192.0.2.${source}`, 'truncated');
  s.rejections.count('192.0.2.0', 'truncated');
  await s.tick();
  expect(s.entries).toHaveLength(65);
  expect(s.entries[0]).toMatchObject({ peerAddress: '192.0.2.0', count: 2 });
  expect(s.entries.at(-1)).toMatchObject({ peerAddress: 'other-sources', count: 936 });
});

test('what a full spool refuses is recorded later, over the longer interval', async () => {
  const s = stage();
  s.state.isFull = true;
  s.rejections.count('192.0.2.1', 'truncated');
  await s.tick();
  s.rejections.count('192.0.2.1', 'truncated');
  await s.tick();
  expect([s.entries.length, s.state.problems]).toEqual([0, 2]);
  s.state.isFull = false;
  await s.tick();
  expect(s.entries).toMatchObject([{ count: 2, fromMs: 1_000, toMs: 4_000 }]);
});

test('the last counts are recorded on the way out', async () => {
  const s = stage();
  s.rejections.count('192.0.2.1', 'truncated');
  await s.rejections[Symbol.asyncDispose]();
  expect(s.entries).toHaveLength(1);
});
