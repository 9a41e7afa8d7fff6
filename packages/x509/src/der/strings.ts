/** What the string types of X.680 section 41 may hold, as far as a reader can rely on it when it compares names. */
import { isUtf8 } from 'node:buffer';
import { DerError } from './error.ts';
import * as tag from './tags.ts';

/**
 * Throws a `DerError` unless the octets are of the type that the identifier says; other types pass. PrintableString is only
 * held to be ASCII: `@`, `*`, `&` and `_` are in too many names, and names are compared by octets or after RFC 4518.
 */
export function checkString(bytes: Uint8Array, identifier: number, start: number, end: number): void {
  switch (identifier) {
    case tag.PRINTABLE_STRING:
    case tag.IA5_STRING:
    case tag.NUMERIC_STRING:
    case tag.VISIBLE_STRING:
      for (let index = start; index < end; index += 1)
        if ((bytes[index] ?? 0) >= 0x80) throw new DerError(`not a ${tag.tagText(identifier)}`, index);
      return;
    case tag.UTF8_STRING:
      if (!isUtf8(bytes.subarray(start, end))) throw new DerError('not a UTF8String', start);
      return;
    case tag.BMP_STRING:
      if ((end - start) % 2 !== 0) throw new DerError('a BMPString has two octets for each character', start);
      return;
    case tag.UNIVERSAL_STRING:
      if ((end - start) % 4 !== 0)
        throw new DerError('a UniversalString has four octets for each character', start);
  }
}
