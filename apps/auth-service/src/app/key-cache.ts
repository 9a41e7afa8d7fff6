/** Opened keys for a short while, a bounded number of them, the longest unused leaving first. */
import type { KeyObject } from 'node:crypto';
import { CACHED_KEY_MS, MAX_CACHED_KEYS } from '../domain/limits.ts';

export interface KeyCache {
  get(id: string): KeyObject | undefined;
  set(id: string, key: KeyObject): void;
  drop(id: string): void;
}

export function keyCache(monotonic: () => number): KeyCache {
  const entries = new Map<string, { readonly key: KeyObject; readonly until: number }>();
  return {
    get(id) {
      const entry = entries.get(id);
      if (entry === undefined) return undefined;
      entries.delete(id);
      if (entry.until <= monotonic()) return undefined;
      // Back in at the end: the order is that of use. The time it may stay is not extended.
      entries.set(id, entry);
      return entry.key;
    },
    set(id, key) {
      entries.delete(id);
      entries.set(id, { key, until: monotonic() + CACHED_KEY_MS });
      const [oldest] = entries.keys();
      if (entries.size > MAX_CACHED_KEYS && oldest !== undefined) entries.delete(oldest);
    },
    drop: (id) => void entries.delete(id),
  };
}
