/** What the octets inside of a primitive element must be, type by type (X.690 sections 8 and 11). */
import { DerError } from './error.ts';
import { oidText } from './oid.ts';
import { checkString } from './strings.ts';
import * as tag from './tags.ts';

/** In bounds by what the caller checked. */
export function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

export function checkInteger(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) throw new DerError('an INTEGER without octets', start);
  if (end - start === 1) return;
  const first = byteAt(bytes, start);
  const second = byteAt(bytes, start + 1);
  if ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80))
    throw new DerError('an INTEGER that is not minimal', start);
}

/** X.690 sections 8.6.2 and 11.2.1. */
export function checkBitString(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) throw new DerError('a BIT STRING without its count of unused bits', start);
  const unused = byteAt(bytes, start);
  if (unused > 7 || (unused > 0 && end - start === 1))
    throw new DerError('a wrong count of unused bits', start);
  if ((byteAt(bytes, end - 1) & ((1 << unused) - 1)) !== 0 && unused > 0)
    throw new DerError('unused bits that are set', end - 1);
}

/** Universal types are of one form in DER: SEQUENCE and SET constructed, strings and all others primitive. */
export function checkForm(identifier: number, offset: number): void {
  if ((identifier & 0x1f) === 0x1f) throw new DerError('a tag number above 30', offset);
  if ((identifier & 0xc0) !== 0) return;
  const number = identifier & 0x1f;
  if (number === 0) throw new DerError('an element without a type', offset);
  const isConstructed = number === 8 || number === 11 || number === 16 || number === 17 || number === 29;
  if (isConstructed !== ((identifier & tag.CONSTRUCTED) !== 0))
    throw new DerError(`${tag.tagText(identifier)} is not in the form that DER has for it`, offset);
}

/** What is inside an element of any type, as far as its tag says. */
export function checkPrimitive(bytes: Uint8Array, identifier: number, start: number, end: number): void {
  switch (identifier) {
    case tag.BOOLEAN:
      if (end - start !== 1 || (bytes[start] !== 0 && bytes[start] !== 0xff))
        throw new DerError('a BOOLEAN is 00 or FF', start);
      return;
    case tag.INTEGER:
    case tag.ENUMERATED:
      checkInteger(bytes, start, end);
      return;
    case tag.BIT_STRING:
      checkBitString(bytes, start, end);
      return;
    case tag.NULL:
      if (start !== end) throw new DerError('a NULL with octets', start);
      return;
    case tag.OID:
      oidText(bytes, start, end);
      return;
    default:
      checkString(bytes, identifier, start, end);
  }
}
