/** SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869) over it: the one hash of every suite of protocol version 1. */
import { createHash, createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { bytesOf, concatBytes } from './bytes.ts';

/** Length of a SHA-256 digest, an HMAC and an HKDF pseudorandom key, in bytes. */
export const HASH_LENGTH = 32;

const MAX_HKDF_LENGTH = 255 * HASH_LENGTH; // RFC 5869 section 2.3

/** SHA-256 of the parts, one after the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  const whole = parts.length === 1 && first !== undefined ? first : concatBytes(...parts);
  return bytesOf(hash('sha256', whole, 'buffer'));
}

/** SHA-256 of bytes as they come; `digest` may be asked for at any point and does not end it. */
export class RunningSha256 {
  readonly #hash = createHash('sha256');

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** SHA-256 of everything so far. */
  digest(): Uint8Array {
    return bytesOf(this.#hash.copy().digest());
  }
}

/** HMAC-SHA256 of the parts, one after the other, under a secret key. */
export function hmacSha256(key: KeyObject, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return bytesOf(mac.digest());
}

/** A secret `KeyObject` with a copy of `raw`; the caller may wipe `raw` afterwards. */
export function secretKey(raw: Uint8Array): KeyObject {
  return createSecretKey(raw);
}

/** HKDF-Extract (RFC 5869 section 2.2). An absent salt is 32 zero bytes. */
export function hkdfExtract(salt: Uint8Array | KeyObject, ikm: Uint8Array): KeyObject {
  const key = salt instanceof Uint8Array ? createSecretKey(salt) : salt;
  const prk = createHmac('sha256', key).update(ikm).digest();
  try {
    return createSecretKey(prk);
  } finally {
    prk.fill(0);
  }
}

/**
 * HKDF-Expand (RFC 5869 section 2.3): `length` bytes (at most 8160) for `info`. Throws RangeError beyond that.
 * Written over `createHmac` because the platform's `hkdf` has no Expand without Extract.
 */
export function hkdfExpand(prk: KeyObject, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length > MAX_HKDF_LENGTH) {
    throw new RangeError(`HKDF-Expand gives 0 to ${MAX_HKDF_LENGTH} bytes, not ${length}`);
  }
  const blocks = Math.ceil(length / HASH_LENGTH);
  const output = new Uint8Array(length);
  const counter = new Uint8Array(1);
  let previous: Uint8Array = new Uint8Array(0);
  for (let block = 1; block <= blocks; block += 1) {
    counter[0] = block;
    const current = createHmac('sha256', prk).update(previous).update(info).update(counter).digest();
    const offset = (block - 1) * HASH_LENGTH;
    output.set(current.subarray(0, Math.min(HASH_LENGTH, length - offset)), offset);
    previous.fill(0);
    previous = current;
  }
  previous.fill(0);
  return output;
}
