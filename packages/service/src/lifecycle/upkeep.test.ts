import type { Log } from '../log/index.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startUpkeep } from './upkeep.ts';

function warnings() {
  const lines: string[] = [];
  const drop = () => undefined;
  const log: Log = {
    trace: drop,
    debug: drop,
    info: drop,
    warn: (message, fields) => void lines.push(`${message}: ${String(fields?.['task'])}`),
    error: drop,
    fatal: drop,
    child: () => log,
  };
  return { lines, log };
}

describe('upkeep', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('runs its tasks in order at once and at every turn; one that fails stops neither the others nor the next turn', async () => {
    const { lines, log } = warnings();
    const ran: string[] = [];
    const tasks = [
      { name: 'broken', run: () => Promise.reject(new Error('no')) },
      { name: 'good', run: async () => ran.push('good') },
    ];
    await using upkeep = startUpkeep(tasks, 1000, log);
    void upkeep;
    await vi.advanceTimersByTimeAsync(0);
    expect(ran).toEqual(['good']);
    await vi.advanceTimersByTimeAsync(2000);
    expect(ran).toEqual(['good', 'good', 'good']);
    expect(lines).toEqual(Array(3).fill('upkeep failed and will be tried again: broken'));
  });

  it('never runs twice at the same time, and waits for the run under way when disposed', async () => {
    const { log } = warnings();
    let [started, ended] = [0, 0];
    const slow = {
      name: 'slow',
      run: async () => {
        started += 1;
        await new Promise((resolve) => setTimeout(resolve, 2500));
        ended += 1;
      },
    };
    const upkeep = startUpkeep([slow], 1000, log);
    await vi.advanceTimersByTimeAsync(2000);
    expect([started, ended]).toEqual([1, 0]);
    const disposed = upkeep[Symbol.asyncDispose]();
    await vi.advanceTimersByTimeAsync(5000);
    await disposed;
    expect([started, ended]).toEqual([1, 1]);
  });
});
