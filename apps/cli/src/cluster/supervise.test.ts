import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { supervise, type Run } from './supervise.ts';

type FakeRun = Run & { readonly end: (why: string) => void; readonly stops: () => number };

function fakeRun(pid: number): FakeRun {
  const ended = Promise.withResolvers<string>();
  let stops = 0;
  return {
    pid,
    ended: ended.promise,
    end: ended.resolve,
    stops: () => stops,
    async stop() {
      stops += 1;
      ended.resolve('was stopped');
    },
  };
}

/** Runs that were started, in order; `fails`: the starts that do not succeed, by number from 1. */
function runs(fails: readonly number[] = []) {
  const started: FakeRun[] = [];
  let starts = 0;
  const start = async (): Promise<Run> => {
    starts += 1;
    if (fails.includes(starts)) throw new Error(`start ${starts} failed`);
    const run = fakeRun(starts);
    started.push(run);
    return run;
  };
  const until = async (count: number): Promise<void> => {
    for (let waited = 0; starts < count && waited < 5_000; waited += 5) await delay(5);
    expect(starts).toBe(count);
    await delay(5);
  };
  return { start, started, until, starts: () => starts };
}

describe('what ends unasked', () => {
  test('is started again, after pauses that grow to the last', async () => {
    const { start, started, until } = runs();
    const told: [string, number | undefined][] = [];
    const kept = await supervise({
      start,
      onDown: (why, pauseMs) => told.push([why, pauseMs]),
      pausesMs: [1, 2, 3],
    });
    for (let round = 1; round <= 5; round += 1) {
      expect(kept.pid()).toBe(round);
      started.at(-1)?.end(`end ${round}`);
      await until(round + 1);
    }
    expect(told).toEqual([
      ['end 1', 1],
      ['end 2', 2],
      ['end 3', 3],
      ['end 4', 3],
      ['end 5', 3],
    ]);
    await kept.stop();
  });

  test('is started again as at first when it had run for a while', async () => {
    const { start, started, until } = runs();
    const pauses: (number | undefined)[] = [];
    const kept = await supervise({
      start,
      onDown: (_, pauseMs) => pauses.push(pauseMs),
      pausesMs: [1, 2, 3],
      settledMs: 100,
    });
    for (const ranMs of [0, 0, 200, 0]) {
      await delay(ranMs);
      started.at(-1)?.end('gone');
      await until(started.length + 1);
    }
    expect(pauses).toEqual([1, 2, 1, 2]);
    await kept.stop();
  });

  test('is started again when a start in between failed', async () => {
    const { start, started, until } = runs([2, 3]);
    const told: string[] = [];
    const kept = await supervise({ start, onDown: (why) => told.push(why), pausesMs: [1] });
    started[0]?.end('gone');
    await until(4);
    expect([told, kept.pid()]).toEqual([['gone', 'start 2 failed', 'start 3 failed'], 4]);
    await kept.stop();
  });

  test('stays down when another start is worth nothing', async () => {
    const { start, started, starts } = runs();
    const told: (number | undefined)[] = [];
    const kept = await supervise({
      start,
      isWorthwhile: () => false,
      onDown: (_, pauseMs) => told.push(pauseMs),
      pausesMs: [1],
    });
    started[0]?.end('gone');
    await delay(30);
    expect([told, starts(), kept.pid()]).toEqual([[undefined], 1, undefined]);
    await kept.stop();
  });
});

describe('stop', () => {
  test('ends the run, and it is not started again', async () => {
    const { start, started, starts } = runs();
    const told: string[] = [];
    const kept = await supervise({ start, onDown: (why) => told.push(why), pausesMs: [1] });
    await kept.stop();
    await delay(20);
    expect([started[0]?.stops(), starts(), told]).toEqual([1, 1, []]);
  });

  test('ends a pause', async () => {
    const { start, started, starts } = runs();
    const kept = await supervise({ start, onDown: () => undefined, pausesMs: [60_000] });
    started[0]?.end('gone');
    await delay(20);
    await kept.stop();
    expect(starts()).toBe(1);
  });

  test('ends a run that was only being started', async () => {
    const gate = Promise.withResolvers<void>();
    const made = [fakeRun(1), fakeRun(2)];
    let starts = 0;
    const start = async (): Promise<Run> => {
      starts += 1;
      if (starts === 2) await gate.promise;
      return made[starts - 1] ?? fakeRun(0);
    };
    const kept = await supervise({ start, onDown: () => undefined, pausesMs: [1] });
    made[0]?.end('gone');
    for (let waited = 0; starts < 2 && waited < 5_000; waited += 5) await delay(5);
    const stopped = kept.stop();
    gate.resolve();
    await stopped;
    expect(made[1]?.stops()).toBe(1);
  });
});

test('a first start that fails is the caller’s', async () => {
  const { start } = runs([1]);
  await expect(supervise({ start, onDown: () => undefined })).rejects.toThrow('start 1 failed');
});
