import { secretKey } from '@sallyport/crypto';
import { expect, it } from 'vitest';
import { CACHED_KEY_MS, MAX_CACHED_KEYS } from '../domain/limits.ts';
import { keyCache } from './key-cache.ts';

const key = secretKey(new Uint8Array(32));

it('gives a key back until its time is over, however often it is used', () => {
  let now = 0;
  const cache = keyCache(() => now);
  cache.set('a', key);
  for (; now < CACHED_KEY_MS; now += 1000) expect(cache.get('a')).toBe(key);
  expect(cache.get('a')).toBeUndefined();
});

it('forgets what is dropped, and what was unused for longest when it is full', () => {
  const cache = keyCache(() => 0);
  for (let at = 0; at < MAX_CACHED_KEYS; at += 1) cache.set(String(at), key);
  cache.get('0');
  cache.set('new', key);
  expect(cache.get('0')).toBe(key);
  expect(cache.get('1')).toBeUndefined();
  cache.drop('0');
  expect(cache.get('0')).toBeUndefined();
});
