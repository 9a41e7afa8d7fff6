/**
 * Lends the active version of a key for a number of uses: finds it, makes it on first use, counts the uses, and rotates
 * when a bound is reached. What is found is kept for a short while; the use counter knows when it is out of date.
 */
import { busy, tooLarge } from '@sallyport/service/errors';
import { SELF, type Actor } from '../domain/key-event.ts';
import { refText, type KeyRef, type KeyVersion } from '../domain/key.ts';
import { MAX_KEYS_PER_OWNER } from '../domain/limits.ts';
import { ownerOf } from '../domain/ownership.ts';
import type { KeyReader } from './ports.ts';
import { createKey, replaceVersion, type RotateKeyPorts } from './rotate-key.ts';
import type { UseCounter } from './use-counter.ts';

export interface ActiveKeys {
  /** The version to seal or sign with, `uses` of it paid for. Throws `busy` under a storm of rotations. */
  lend(ref: KeyRef, uses: number, actor: Actor): Promise<KeyVersion>;
}

export interface ActiveKeysPorts extends RotateKeyPorts {
  readonly keys: RotateKeyPorts['keys'] & Pick<KeyReader, 'list'>;
  readonly uses: UseCounter;
  /** Milliseconds that never go backwards. */
  readonly monotonic: () => number;
}

/** How long another replica's rotation may go unnoticed when its announcement is lost. */
const MAX_AGE_MS = 10_000;
const ATTEMPTS = 4;

export function activeKeys(ports: ActiveKeysPorts): ActiveKeys {
  const known = new Map<string, { readonly key: KeyVersion; readonly readAt: number }>();

  async function find(ref: KeyRef, actor: Actor): Promise<KeyVersion> {
    const entry = known.get(refText(ref));
    if (entry !== undefined && ports.monotonic() - entry.readAt < MAX_AGE_MS) return entry.key;
    return remember((await ports.keys.active(ref)) ?? (await create(ref, actor)));
  }

  async function create(ref: KeyRef, actor: Actor): Promise<KeyVersion> {
    const owner = ownerOf(ref.kind, ref.name);
    const owned = (await ports.keys.list()).filter(({ kind, name }) => ownerOf(kind, name) === owner);
    const names = new Set(owned.map(refText));
    if (!names.has(refText(ref)) && names.size >= MAX_KEYS_PER_OWNER) {
      throw tooLarge(`${owner} has ${names.size} keys already: no new one is made`, { field: 'key' });
    }
    return createKey(ports, ref, actor);
  }

  function remember(key: KeyVersion): KeyVersion {
    known.set(refText(key), { key, readAt: ports.monotonic() });
    return key;
  }

  return {
    lend: async (ref, uses, actor) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const key = await find(ref, actor);
        const outcome = await ports.uses.take(key, uses);
        if (outcome === 'taken') return key;
        known.delete(refText(ref));
        if (outcome === 'exhausted') remember(await replaceVersion(ports, key, SELF, 'use_limit'));
      }
      throw busy(`key ${ref.name} is being rotated`);
    },
  };
}
