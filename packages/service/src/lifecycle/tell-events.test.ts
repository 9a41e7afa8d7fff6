import { describe, expect, it } from 'vitest';
import { tellEvents } from './tell-events.ts';

interface Event {
  readonly id: string;
}

const event = (id: string): Event => ({ id });

/** An outbox in memory, and what was done with its events, in order. */
function world(record: (event: Event) => Promise<void> = async () => undefined) {
  const committed: Event[] = [];
  const done: string[] = [];
  const tell = tellEvents({
    outbox: {
      pending: async (limit) => committed.slice(0, limit),
      remove: async (ids) => {
        done.push(...ids.map((id) => `remove ${id}`));
        const kept = committed.filter(({ id }) => !ids.includes(id));
        committed.splice(0, committed.length, ...kept);
      },
    },
    record: async (told) => {
      await record(told);
      done.push(`record ${told.id}`);
    },
    announce: async ({ id }) => void done.push(`announce ${id}`),
  });
  return { committed, done, tell };
}

describe('telling events', () => {
  it('records, then announces, then removes', async () => {
    const { committed, done, tell } = world();
    committed.push(event('1'), event('2'));
    await tell();
    expect(done).toEqual(['record 1', 'record 2', 'announce 1', 'announce 2', 'remove 1', 'remove 2']);
    expect(committed).toEqual([]);
  });

  it('tells what was committed while another call was telling, before the second caller goes on', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { committed, done, tell } = world(() => gate);
    committed.push(event('1'));
    const first = tell();
    await Promise.resolve();
    committed.push(event('2'));
    const second = tell().then(() => done.push('second caller'));
    release();
    await Promise.all([first, second]);
    expect(done.indexOf('record 2')).toBeLessThan(done.indexOf('second caller'));
    expect(done.filter((line) => line.startsWith('record'))).toEqual(['record 1', 'record 2']);
  });

  it('keeps everything when the spool refuses, announces nothing, and tells it all at the next call', async () => {
    let full = true;
    const { committed, done, tell } = world(async () => {
      if (full) throw new Error('full');
    });
    committed.push(event('1'), event('2'));
    await expect(tell()).rejects.toThrow('full');
    expect([committed.length, done]).toEqual([2, []]);
    full = false;
    await tell();
    expect(done.slice(0, 2)).toEqual(['record 1', 'record 2']);
  });

  it('a waiting caller is not failed by the call before it', async () => {
    let refusals = 1;
    const { committed, tell } = world(async () => {
      if (refusals-- > 0) throw new Error('full');
    });
    committed.push(event('1'));
    const [first, second] = await Promise.allSettled([tell(), tell()]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    expect(committed).toEqual([]);
  });

  it('takes what the spool took out of the outbox, although it refused another: nothing is recorded again and again', async () => {
    let isRefusing = true;
    const { committed, done, tell } = world(async ({ id }) => {
      if (isRefusing && id === '2') throw new Error('full');
    });
    committed.push(event('1'), event('2'), event('3'));
    await expect(tell()).rejects.toThrow('full');
    expect(committed).toEqual([event('2')]);
    isRefusing = false;
    await tell();
    expect(done.filter((line) => line.startsWith('record'))).toEqual(['record 1', 'record 3', 'record 2']);
  });
});
