/**
 * Reading and writing the binary layout: big-endian integers and length-prefixed byte strings.
 *
 * The reader is total. The first violation sticks, later reads give zeros and empty strings, and `end` reports it: a
 * parser reads all its fields and asks once. Byte strings are views of the input.
 */
import type { ShapeCause } from './causes.ts';

const EMPTY = new Uint8Array(0);
const TWO_32 = 2 ** 32;

export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;
  #cause: ShapeCause | undefined;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  /** The first violation so far. */
  get cause(): ShapeCause | undefined {
    return this.#cause;
  }

  /** Bytes not read yet; 0 after a violation. */
  get remaining(): number {
    return this.#cause === undefined ? this.#end - this.#offset : 0;
  }

  /** Records a violation found by the caller; the first one stays. */
  fail(cause: ShapeCause): void {
    this.#cause ??= cause;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.#bytes[at] ?? 0);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : readU32(this.#bytes, at);
  }

  /** A u64 as a number: values beyond 2^53 − 1 are a violation, no count or time of this protocol is that large. */
  u64(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    const high = readU32(this.#bytes, at);
    if (high >= 0x20_0000) {
      this.fail('bad_field');
      return 0;
    }
    return high * TWO_32 + readU32(this.#bytes, at + 4);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at < 0 ? EMPTY : this.#bytes.subarray(at, at + length);
  }

  /** A string with a one-byte length. */
  lp8(): Uint8Array {
    return this.bytes(this.u8());
  }

  /** A string with a two-byte length of at most `maxBytes`. */
  lp16(maxBytes = 0xffff): Uint8Array {
    return this.#bounded(this.u16(), maxBytes);
  }

  /** A string with a four-byte length of at most `maxBytes`. */
  lp(maxBytes: number): Uint8Array {
    return this.#bounded(this.u32(), maxBytes);
  }

  /** The violation, trailing bytes included, or undefined when everything was read and right. */
  end(): ShapeCause | undefined {
    if (this.#cause === undefined && this.#offset !== this.#end) this.#cause = 'trailing_bytes';
    return this.#cause;
  }

  #bounded(length: number, maxBytes: number): Uint8Array {
    if (length > maxBytes) {
      this.fail('oversized');
      return EMPTY;
    }
    return this.bytes(length);
  }

  #take(length: number): number {
    if (this.#cause !== undefined) return -1;
    const at = this.#offset;
    if (length > this.#end - at) {
      this.#cause = 'truncated';
      return -1;
    }
    this.#offset = at + length;
    return at;
  }
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) * 0x100_0000 +
      (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))) >>>
    0
  );
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** `value` is a safe integer. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / TWO_32));
  writeU32(bytes, at + 4, value % TWO_32);
}

export function u8(value: number): Uint8Array {
  requireUnsigned(value, 0xff);
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  requireUnsigned(value, 0xffff);
  return Uint8Array.of(value >>> 8, value);
}

export function u32(value: number): Uint8Array {
  requireUnsigned(value, 0xffff_ffff);
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

export function u64(value: number): Uint8Array {
  requireUnsigned(value, Number.MAX_SAFE_INTEGER);
  const bytes = new Uint8Array(8);
  writeU64(bytes, 0, value);
  return bytes;
}

export function lp8(value: Uint8Array): Uint8Array {
  return join(u8(value.length), value);
}

export function lp16(value: Uint8Array): Uint8Array {
  return join(u16(value.length), value);
}

export function lp(value: Uint8Array): Uint8Array {
  return join(u32(value.length), value);
}

function join(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}

/** Encoding a value that does not fit would change it silently. */
function requireUnsigned(value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    throw new RangeError(`${value} is not between 0 and ${max}`);
}

/** True when every byte is visible ASCII or space: names that are safe to log and to compare. */
export function isPrintableAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return false;
  }
  return true;
}

/** The text of bytes that passed `isPrintableAscii`. */
export function asciiText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
