/**
 * A strict reader of DER (X.690 sections 8 to 11) over one array. It is driven by what a decoder expects: there is no tree
 * of nodes, only a place and the end of the element that was entered. Every refusal is a `DerError` with the offset of the
 * octet that is wrong; `readDer` is the only place that catches it.
 *
 * Refused: indefinite and non-minimal lengths, elements that leave their parent, what follows the last element, tag numbers
 * above 30, INTEGERs and OIDs that are not minimal, BOOLEANs other than 00 and FF, unused bits that are set, and more than
 * `MAX_DEPTH` elements inside of each other.
 */
import type { Oid } from '../certificate/types.ts';
import type { Parsed } from '../parsed.ts';
import { byteAt, checkBitString, checkForm, checkInteger, checkPrimitive } from './contents.ts';
import { DerError } from './error.ts';
import { oidText } from './oid.ts';
import * as tag from './tags.ts';
import { millisecondsOfGeneralizedTime, millisecondsOfUtcTime } from './time.ts';

/** Certificates need 12 at the most: an address in a distribution point in a list. */
export const MAX_DEPTH = 32;

/**
 * Decodes the one element that `input` is. The octets are copied first: what `decode` gives are views of the copy, which
 * nobody else writes to. Answers a failure, and does not throw, whatever `input` holds.
 */
export function readDer<T>(input: Uint8Array, maxBytes: number, decode: (reader: DerReader) => T): Parsed<T> {
  if (input.length > maxBytes)
    return { ok: false, failure: { offset: maxBytes, problem: `more than ${maxBytes} octets` } };
  try {
    const reader = new DerReader(new Uint8Array(input));
    const value = decode(reader);
    reader.finish();
    return { ok: true, value };
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return { ok: false, failure: { offset: error.offset, problem: error.message } };
  }
}

export class DerReader {
  readonly bytes: Uint8Array;
  /** Of the next octet. */
  offset: number;
  /** Of the octet behind the element that was entered last. */
  end: number;
  private depth = 0;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  /** True while the entered element has octets left. */
  get hasMore(): boolean {
    return this.offset < this.end;
  }

  /** Whether the next element has this identifier octet. */
  isNext(identifier: number): boolean {
    return this.offset < this.end && this.bytes[this.offset] === identifier;
  }

  /** Enters an element. The result is for `close`. */
  open(identifier: number): number {
    const outer = this.end;
    this.end = this.enter(identifier);
    this.depth += 1;
    if (this.depth > MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} elements inside of each other`);
    return outer;
  }

  /** Leaves an element, which must have been read to its end. */
  close(outer: number): void {
    this.finish();
    this.end = outer;
    this.depth -= 1;
  }

  /** Refuses octets that nothing has read. */
  finish(): void {
    if (this.offset !== this.end) this.fail('octets after the last element');
  }

  /** The inside of a primitive element. */
  octets(identifier: number): Uint8Array {
    const end = this.enter(identifier);
    return this.take(end);
  }

  /** A whole element of any type, identifier and length included; what it is built of is checked to be DER. */
  element(): Uint8Array {
    const start = this.offset;
    this.skip();
    return this.bytes.subarray(start, this.offset);
  }

  /** Passes over an element of any type, as `element`. */
  skip(): void {
    const identifier = this.offset < this.end ? byteAt(this.bytes, this.offset) : 0;
    checkForm(identifier, this.offset);
    if ((identifier & tag.CONSTRUCTED) === 0) {
      const end = this.enter(identifier);
      checkPrimitive(this.bytes, identifier, this.offset, end);
      this.offset = end;
      return;
    }
    const outer = this.open(identifier);
    while (this.offset < this.end) this.skip();
    this.close(outer);
  }

  /** X.690 section 11.1. */
  boolean(identifier: number = tag.BOOLEAN): boolean {
    const end = this.enter(identifier);
    const value = this.bytes[this.offset];
    if (end - this.offset !== 1 || (value !== 0x00 && value !== 0xff)) this.fail('a BOOLEAN is 00 or FF');
    this.offset = end;
    return value === 0xff;
  }

  /** The octets of an INTEGER, two's complement, at least one (X.690 section 8.3.2). */
  integer(identifier: number = tag.INTEGER): Uint8Array {
    const end = this.enter(identifier);
    checkInteger(this.bytes, this.offset, end);
    return this.take(end);
  }

  /** An INTEGER (0..MAX) as a number; what a number cannot hold is `Number.MAX_SAFE_INTEGER`. */
  unsigned(identifier: number = tag.INTEGER): number {
    const end = this.enter(identifier);
    checkInteger(this.bytes, this.offset, end);
    if (byteAt(this.bytes, this.offset) >= 0x80) this.fail('a negative INTEGER');
    let value = 0;
    for (let index = this.offset; index < end; index += 1) {
      value = value * 256 + byteAt(this.bytes, index);
      if (value > Number.MAX_SAFE_INTEGER) {
        value = Number.MAX_SAFE_INTEGER;
        break;
      }
    }
    this.offset = end;
    return value;
  }

  /** Dotted decimal. */
  oid(identifier: number = tag.OID): Oid {
    const end = this.enter(identifier);
    const value = oidText(this.bytes, this.offset, end);
    this.offset = end;
    return value;
  }

  /** A BIT STRING that holds octets: no unused bits. */
  bitString(identifier: number = tag.BIT_STRING): Uint8Array {
    const end = this.enter(identifier);
    if (end === this.offset) this.fail('a BIT STRING without its count of unused bits');
    if (this.bytes[this.offset] !== 0) this.fail('a BIT STRING of whole octets has no unused bits');
    this.offset += 1;
    return this.take(end);
  }

  /** Passes over a BIT STRING of any count of bits. */
  skipBitString(identifier: number = tag.BIT_STRING): void {
    const end = this.enter(identifier);
    checkBitString(this.bytes, this.offset, end);
    this.offset = end;
  }

  /** A BIT STRING with named bits (X.690 section 11.2.2: no zero bits at its end): bit 0 is the lowest of the result. */
  namedBits(identifier: number = tag.BIT_STRING): number {
    const end = this.enter(identifier);
    checkBitString(this.bytes, this.offset, end);
    const unused = byteAt(this.bytes, this.offset);
    const last = byteAt(this.bytes, end - 1);
    if (end - this.offset > 1 && ((last >> unused) & 1) === 0)
      this.fail('named bits end with a zero bit', end - 1);
    let bits = 0;
    for (let bit = 0; bit < Math.min(31, (end - this.offset - 1) * 8); bit += 1)
      if ((byteAt(this.bytes, this.offset + 1 + (bit >> 3)) & (0x80 >> (bit & 7))) !== 0) bits |= 1 << bit;
    this.offset = end;
    return bits;
  }

  /** A string of octets below 80 (IA5String, usually under a tag of its own). */
  ia5(identifier: number = tag.IA5_STRING): string {
    const end = this.enter(identifier);
    let text = '';
    for (let index = this.offset; index < end; index += 1) {
      const octet = byteAt(this.bytes, index);
      if (octet >= 0x80) this.fail('not an IA5String', index);
      text += String.fromCharCode(octet);
    }
    this.offset = end;
    return text;
  }

  /** UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 has them, milliseconds since 1970. */
  time(): number {
    return this.isNext(tag.UTC_TIME) ? this.utcTime() : this.generalizedTime();
  }

  utcTime(): number {
    const end = this.enter(tag.UTC_TIME);
    const value = millisecondsOfUtcTime(this.bytes, this.offset, end);
    if (value === undefined) this.fail('a UTCTime is YYMMDDHHMMSSZ');
    this.offset = end;
    return value;
  }

  generalizedTime(identifier: number = tag.GENERALIZED_TIME): number {
    const end = this.enter(identifier);
    const value = millisecondsOfGeneralizedTime(this.bytes, this.offset, end);
    if (value === undefined) this.fail('a GeneralizedTime is YYYYMMDDHHMMSSZ');
    this.offset = end;
    return value;
  }

  fail(problem: string, offset: number = this.offset): never {
    throw new DerError(problem, offset);
  }

  private take(end: number): Uint8Array {
    const octets = this.bytes.subarray(this.offset, end);
    this.offset = end;
    return octets;
  }

  /** Reads identifier and length; the answer is the end of the contents, whose start is `offset` then. */
  private enter(identifier: number): number {
    const { bytes, end } = this;
    const start = this.offset;
    if (start >= end) throw new DerError(`${tag.tagText(identifier)} is missing`, start);
    if (bytes[start] !== identifier)
      throw new DerError(
        `${tag.tagText(identifier)} expected, not ${tag.tagText(byteAt(bytes, start))}`,
        start,
      );
    if (start + 1 >= end) throw new DerError('the length is cut off', start + 1);
    const first = byteAt(bytes, start + 1);
    if (first < 0x80) {
      const contents = start + 2;
      if (contents + first > end) throw new DerError('longer than what holds it', start + 1);
      this.offset = contents;
      return contents + first;
    }
    return this.enterLong(start + 1, first & 0x7f);
  }

  /** X.690 sections 8.1.3.5 and 10.1: the fewest octets that hold the length. */
  private enterLong(at: number, count: number): number {
    const { bytes, end } = this;
    if (count === 0) throw new DerError('indefinite length', at);
    if (count > 4) throw new DerError('a length of more than four octets', at);
    if (at + count >= end) throw new DerError('the length is cut off', at);
    let length = 0;
    for (let index = at + 1; index <= at + count; index += 1) length = length * 256 + byteAt(bytes, index);
    if (length < 0x80 || bytes[at + 1] === 0) throw new DerError('a length that is not minimal', at);
    const contents = at + 1 + count;
    if (contents + length > end) throw new DerError('longer than what holds it', at);
    this.offset = contents;
    return contents + length;
  }
}
