import { manualClock } from '@sallyport/service/clock';
import { expect, test } from 'vitest';
import type { Fence } from '../domain/fence.ts';
import { TAKE_OVER_MS, watchWriter, type Duty } from './watch-writer.ts';

function watcher() {
  const clock = manualClock();
  const dutyOf = watchWriter('me', () => clock.monotonic());
  return {
    pass: (ms: number) => clock.advance(ms),
    see: (fence: Partial<Fence> | undefined, isWorkPending = true, heldTerm?: bigint): Duty =>
      dutyOf({
        fence: fence && { term: 1n, holder: 'other', beat: 1n, ...fence },
        isWorkPending,
        heldTerm,
      }),
  };
}

test.each<[string, Partial<Fence> | undefined]>([
  ['nobody ever wrote', undefined],
  ['the writer gave up', { holder: '' }],
  ['an earlier process of this replica wrote', { holder: 'me' }],
])('takes over at once when %s', (_what, fence) => {
  expect(watcher().see(fence)).toBe('take');
});

test('takes over from a writer that stands still while there is work', () => {
  const { pass, see } = watcher();
  expect(see({})).toBe('follow');
  pass(TAKE_OVER_MS - 1);
  expect(see({})).toBe('follow');
  pass(1);
  expect(see({})).toBe('take');
});

test('an idle writer is left alone, however long, and work begins the wait', () => {
  const { pass, see } = watcher();
  expect(see({}, false)).toBe('follow');
  pass(3_600_000);
  expect(see({}, false)).toBe('follow');
  expect(see({})).toBe('follow');
  pass(TAKE_OVER_MS);
  expect(see({}, false)).toBe('follow');
  expect(see({})).toBe('follow');
});

test.each<[string, Partial<Fence>]>([
  ['beats', { beat: 2n }],
  ['is another one', { term: 2n }],
])('a writer that %s is waited for anew', (_what, change) => {
  const { pass, see } = watcher();
  see({});
  pass(TAKE_OVER_MS);
  expect(see(change)).toBe('follow');
  pass(TAKE_OVER_MS);
  expect(see(change)).toBe('take');
});

test('a process that slept does not mistake its own sleep for that of the writer', () => {
  const { pass, see } = watcher();
  see({}, false);
  pass(30_000); // paused
  expect(see({ beat: 9n })).toBe('follow');
});

test('writes while it holds the term, idle or not', () => {
  const { see } = watcher();
  expect(see({ holder: 'me', term: 4n }, true, 4n)).toBe('write');
  expect(see({ holder: 'me', term: 4n }, false, 4n)).toBe('write');
});

test('who lost the term to another process of its name waits as for any other', () => {
  const { pass, see } = watcher();
  expect(see({ holder: 'me', term: 4n }, true, 4n)).toBe('write');
  expect(see({ holder: 'me', term: 5n }, true, 4n)).toBe('follow');
  pass(TAKE_OVER_MS);
  expect(see({ holder: 'me', term: 5n }, true, undefined)).toBe('take');
});
