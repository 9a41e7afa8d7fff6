/**
 * Wrapped bytes in, `KeyObject`s out. Unwrapped keys stay in a bounded cache, least recently used first out; nothing
 * else in this service holds key material for longer than a call.
 */
import type { KeyObject } from 'node:crypto';
import { secretKey, type SignatureKeyPair, type SignatureRow } from '@sallyport/crypto';
import { SallyportError } from '@sallyport/service/errors';
import type { KeyId, KeyVersion } from '../domain/key.ts';
import { permits, type KeyUse } from '../domain/lifecycle.ts';
import { signingKeyOf } from '../domain/signing.ts';
import { keyVersionContext } from '../domain/wrap-context.ts';
import type { RootKey } from './ports.ts';

export interface KeyMaterial {
  /** The AES-256 key of a domain key version. Throws `key_unusable` unless its state permits `use`. */
  domain(key: KeyVersion, use: KeyUse): Promise<KeyObject>;
  /** The pair of a signing key version. The public half comes from the wrapped private one, never from a column. */
  signing(key: KeyVersion, use: KeyUse): Promise<SigningPair>;
}

export type SigningPair = SignatureKeyPair & { readonly row: SignatureRow };

/** `capacity`: versions held unwrapped at a time. */
export function keyMaterial(root: RootKey, capacity = 256): KeyMaterial {
  const domainKeys = boundedCache<KeyObject>(capacity);
  const signingKeys = boundedCache<SigningPair>(capacity);

  async function load<T>(
    cache: BoundedCache<T>,
    key: KeyVersion,
    use: KeyUse,
    read: (raw: Uint8Array) => T,
  ): Promise<T> {
    if (key.wrapped === undefined || !permits(key.state, use)) throw unusable(key);
    const { wrapped } = key;
    return cache.get(key.keyId, async () => {
      const raw = await root.unwrap(wrapped, keyVersionContext(key));
      // The row was changed, or belongs to another root key: nothing a caller did.
      if (raw === undefined) throw new Error(`key version ${key.keyId} does not open under the root key`);
      try {
        return read(raw);
      } finally {
        raw.fill(0);
      }
    });
  }

  return {
    domain: async (key, use) => load(domainKeys, kindChecked(key, 'domain'), use, secretKey),
    signing: async (key, use) => {
      const row = signingKeyOf(kindChecked(key, 'signing').name)?.row;
      if (row === undefined) throw new Error(`nothing is known of signing keys named ${key.name}`);
      return load(signingKeys, key, use, (raw) => ({ ...row.keyPairFromRaw(raw), row }));
    },
  };
}

function kindChecked(key: KeyVersion, kind: KeyVersion['kind']): KeyVersion {
  if (key.kind !== kind) throw new Error(`key version ${key.keyId} is not a ${kind} key`);
  return key;
}

function unusable(key: KeyVersion): SallyportError {
  return new SallyportError('key_unusable', `key ${key.name} version ${key.version} is ${key.state}`);
}

interface BoundedCache<T> {
  /** One load at a time per key; a load that fails is not kept. */
  get(keyId: KeyId, load: () => Promise<T>): Promise<T>;
}

function boundedCache<T>(capacity: number): BoundedCache<T> {
  const entries = new Map<KeyId, Promise<T>>();
  return {
    get: (keyId, load) => {
      const known = entries.get(keyId);
      entries.delete(keyId);
      const entry = known ?? load();
      entries.set(keyId, entry); // a Map keeps insertion order: the last used is the last
      if (known === undefined) {
        entry.catch(() => {
          if (entries.get(keyId) === entry) entries.delete(keyId);
        });
        for (const oldest of entries.keys()) {
          if (entries.size <= capacity) break;
          entries.delete(oldest);
        }
      }
      return entry;
    },
  };
}
