/** Identifier octets of the types that certificates are made of (X.690 section 8.1.2), as they stand in DER. */
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const NULL = 0x05;
export const OID = 0x06;
export const ENUMERATED = 0x0a;
export const UTF8_STRING = 0x0c;
export const NUMERIC_STRING = 0x12;
export const PRINTABLE_STRING = 0x13;
export const TELETEX_STRING = 0x14;
export const IA5_STRING = 0x16;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const VISIBLE_STRING = 0x1a;
export const UNIVERSAL_STRING = 0x1c;
export const BMP_STRING = 0x1e;
export const SEQUENCE = 0x30;
export const SET = 0x31;

/** The bit of an element that is made of elements. */
export const CONSTRUCTED = 0x20;

/** `[number]` around a primitive value (IMPLICIT). */
export const contextPrimitive = (number: number): number => 0x80 | number;
/** `[number]` around elements (EXPLICIT, or IMPLICIT of a constructed type). */
export const contextConstructed = (number: number): number => 0xa0 | number;

const NAMES: Readonly<Record<number, string>> = {
  [BOOLEAN]: 'BOOLEAN',
  [INTEGER]: 'INTEGER',
  [BIT_STRING]: 'BIT STRING',
  [OCTET_STRING]: 'OCTET STRING',
  [NULL]: 'NULL',
  [OID]: 'OBJECT IDENTIFIER',
  [ENUMERATED]: 'ENUMERATED',
  [UTF8_STRING]: 'UTF8String',
  [NUMERIC_STRING]: 'NumericString',
  [PRINTABLE_STRING]: 'PrintableString',
  [TELETEX_STRING]: 'TeletexString',
  [IA5_STRING]: 'IA5String',
  [UTC_TIME]: 'UTCTime',
  [GENERALIZED_TIME]: 'GeneralizedTime',
  [VISIBLE_STRING]: 'VisibleString',
  [UNIVERSAL_STRING]: 'UniversalString',
  [BMP_STRING]: 'BMPString',
  [SEQUENCE]: 'SEQUENCE',
  [SET]: 'SET',
};

/** For people: `SEQUENCE`, `[3]`, `tag 2d`. */
export function tagText(identifier: number): string {
  if ((identifier & 0xc0) === 0x80) return `[${identifier & 0x1f}]`;
  return NAMES[identifier] ?? `tag ${identifier.toString(16).padStart(2, '0')}`;
}
