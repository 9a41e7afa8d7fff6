/**
 * What validations remember of each other, bounded. Everything in it can be computed again from the octets that its key
 * is made of, so forgetting costs time alone, and nothing in it depends on a time, an anchor or a policy.
 */
import { LRUCache } from 'lru-cache';
import type { Certificate } from './certificate/types.ts';
import type { PublicKey } from './signature/types.ts';

/** Entries kept of each kind, at least 1. */
export interface CacheSizes {
  /** Parsed certificates. Default 4,096. */
  readonly certificates?: number;
  /** Signatures that were verified, good ones and bad ones. Default 16,384. */
  readonly signatures?: number;
  /** Public keys, loaded. Default 1,024. */
  readonly keys?: number;
}

interface Entries<T extends object | boolean> {
  get(key: string): T | undefined;
  set(key: string, value: T): unknown;
}

/** Several validators may share one. Its contents are for this package alone. */
export interface Cache {
  /** By the octets of the certificate's fingerprint. */
  readonly certificates: Entries<Certificate>;
  /** By what was signed, the signature and the key: whether it verifies. */
  readonly signatures: Entries<boolean>;
  /** By SubjectPublicKeyInfo. */
  readonly keys: Entries<PublicKey>;
}

export function createCache(sizes: CacheSizes = {}): Cache {
  return {
    certificates: new LRUCache<string, Certificate>({ max: sizes.certificates ?? 4_096 }),
    signatures: new LRUCache<string, boolean>({ max: sizes.signatures ?? 16_384 }),
    keys: new LRUCache<string, PublicKey>({ max: sizes.keys ?? 1_024 }),
  };
}
