/**
 * Byte strings: joining, comparing and the three text encodings in use.
 *
 * Functions return plain `Uint8Array`s, never `Buffer`s: the two differ in `slice`, and a pooled `Buffer`
 * shares its memory with strangers.
 */
import { randomFillSync, timingSafeEqual } from 'node:crypto';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** A `Uint8Array` over the same memory as a `Buffer`. */
export function bytesOf(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * A `Buffer` over the same memory. What the platform asks a `Buffer` for must not get `Buffer.from(bytes)` when the bytes
 * are secret: that copies them into a pool which every later buffer is cut from, where nobody wipes them.
 */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** All parts, one after the other, in new memory. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** True when both have the same bytes. Takes the same time wherever they differ; their lengths are not secret. */
export function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `length` bytes of the platform's generator, in memory of their own. */
export function randomBytes(length: number): Uint8Array {
  return randomFillSync(new Uint8Array(length));
}

const POOL_BYTES = 1_024;
let pool: Uint8Array = new Uint8Array(0);

/** `length` bytes of the platform's generator as hexadecimal, for names and never for keys: it is asked for many at a time. */
export function randomHex(length: number): string {
  if (length > pool.length) pool = randomBytes(Math.max(length, POOL_BYTES));
  const taken = pool.subarray(0, length);
  pool = pool.subarray(length);
  return toHex(taken);
}

/** UTF-8 of a string. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The string, or undefined when the bytes are not UTF-8. A byte-order mark is kept. */
export function fromUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('hex');
}

/** The bytes, or undefined unless the text is an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('base64url');
}

/** The bytes, or undefined unless the text is the one canonical, unpadded base64url encoding of them. */
export function fromBase64url(text: string): Uint8Array | undefined {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64url'));
  return toBase64url(bytes) === text ? bytes : undefined;
}
