/**
 * What validations remember of each other, bounded. Everything in it can be computed again from the octets that its key
 * is made of, so forgetting costs time alone, and nothing in it depends on a time, an anchor or a policy.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { parseCertificate } from './certificate/parse-certificate.ts';
import type { Certificate } from './certificate/types.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { Parsed } from './parsed.ts';
import type { PublicKey } from './signature/types.ts';

/** Entries kept of each kind, at least 1. */
export interface CacheSizes {
  /** Parsed certificates of 4 KiB; fewer when they are larger. Default 4,096. */
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
  /** By fingerprint. */
  readonly certificates: Entries<Certificate>;
  /** By what was signed, the signature and the key: whether it verifies. */
  readonly signatures: Entries<boolean>;
  /** By SubjectPublicKeyInfo. */
  readonly keys: Entries<PublicKey>;
}

const AVERAGE_CERTIFICATE_BYTES = 8_192;

export function createCache(sizes: CacheSizes = {}): Cache {
  const { certificates = 4_096, signatures = 16_384, keys = 1_024 } = sizes;
  return {
    certificates: bounded<Certificate>(certificates * AVERAGE_CERTIFICATE_BYTES, certificateSize),
    signatures: bounded<boolean>(signatures, one),
    keys: bounded<PublicKey>(keys, one),
  };
}

/**
 * Of names and extensions beyond the usual, each octet takes up to 30 as the value that it is parsed into; keys and
 * signatures stay octets.
 */
function certificateSize({ der, subjectPublicKeyInfo, signatureValue }: Certificate): number {
  const structured = der.byteLength - subjectPublicKeyInfo.bits.byteLength - signatureValue.byteLength;
  const beyond = Math.max(0, structured - AVERAGE_CERTIFICATE_BYTES / 4);
  return AVERAGE_CERTIFICATE_BYTES / 2 + der.byteLength + beyond * 30;
}

const one = (): number => 1;

/** Bounded by a sum rather than by a count: with a count, lru-cache takes all of its memory at once. */
function bounded<T extends object | boolean>(
  maxSize: number,
  sizeCalculation: (value: T) => number,
): Entries<T> {
  return new LRUCache<string, T>({ maxSize, sizeCalculation });
}

/** As `parseCertificate`; the same octets are the same value as long as the cache remembers them. */
export function parseCertificateCached(
  der: Uint8Array,
  cache: Cache,
  limits: Pick<Limits, 'certificateBytes'> = DEFAULT_LIMITS,
): Parsed<Certificate> {
  if (der.byteLength > limits.certificateBytes) return parseCertificate(der, limits);
  const known = cache.certificates.get(hash('sha256', der, 'hex'));
  if (known !== undefined) return { ok: true, value: known };
  const parsed = parseCertificate(der, limits);
  if (parsed.ok) cache.certificates.set(parsed.value.fingerprint, parsed.value);
  return parsed;
}
