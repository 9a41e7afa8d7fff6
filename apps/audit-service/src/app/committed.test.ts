import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { committed } from './committed.ts';

test('wakes all who wait, and leaves nothing on their signals', async () => {
  const news = committed();
  const { signal } = new AbortController();
  const waits = [news.next(60_000, signal), news.next(60_000, signal)];
  expect(getEventListeners(signal, 'abort')).toHaveLength(2);
  news.notify();
  await Promise.all(waits);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('ends with its time, with its signal, and at once when that was aborted before', async () => {
  const news = committed();
  const stop = new AbortController();
  await news.next(1, stop.signal);
  const waiting = news.next(60_000, stop.signal);
  stop.abort();
  await waiting;
  await news.next(60_000, stop.signal);
});
