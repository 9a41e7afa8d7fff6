/** The rest of DER that tests write: strings, times, bits, names. Every argument may be raw octets instead. */
import {
  BIT_STRING,
  BOOLEAN,
  BMP_STRING,
  GENERALIZED_TIME,
  IA5_STRING,
  PRINTABLE_STRING,
  TELETEX_STRING,
  UTC_TIME,
  UTF8_STRING,
  contextPrimitive,
} from '../../src/der/tags.ts';
import { writeElement, writeExplicit, writeOid, writeSequence, writeSetOf } from '../../src/der/writer.ts';

export * from '../../src/der/tags.ts';
export * from '../../src/der/writer.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin1 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

export const fromHex = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(/\s/gu, ''), 'hex'));
export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

export const utf8String = (text: string): Uint8Array => writeElement(UTF8_STRING, utf8(text));
export const printableString = (text: string): Uint8Array => writeElement(PRINTABLE_STRING, latin1(text));
export const ia5String = (text: string): Uint8Array => writeElement(IA5_STRING, latin1(text));
export const teletexString = (text: string): Uint8Array => writeElement(TELETEX_STRING, latin1(text));
export const bmpString = (text: string): Uint8Array =>
  writeElement(BMP_STRING, new Uint8Array(Buffer.from(text, 'utf16le').swap16()));
export const boolean = (value: boolean): Uint8Array => writeElement(BOOLEAN, Uint8Array.of(value ? 0xff : 0));
export const bitString = (octets: Uint8Array, unusedBits = 0, identifier: number = BIT_STRING): Uint8Array =>
  writeElement(identifier, Uint8Array.of(unusedBits), octets);

/** Named bits, without zero bits at the end (X.690 section 11.2.2). */
export function namedBits(bits: readonly number[], identifier: number = BIT_STRING): Uint8Array {
  if (bits.length === 0) return bitString(new Uint8Array(0), 0, identifier);
  const last = Math.max(...bits);
  const octets = new Uint8Array(Math.floor(last / 8) + 1);
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return bitString(octets, 7 - (last % 8), identifier);
}

const digits = (date: Date): string => date.toISOString().replaceAll(/[-:T]|\.\d+/gu, '');
export const utcTime = (date: Date): Uint8Array => writeElement(UTC_TIME, latin1(digits(date).slice(2)));
export const generalizedTime = (date: Date, identifier: number = GENERALIZED_TIME): Uint8Array =>
  writeElement(identifier, latin1(digits(date)));
/** RFC 5280 section 4.1.2.5: UTCTime through 2049. */
export const time = (date: Date | Uint8Array): Uint8Array => {
  if (date instanceof Uint8Array) return date;
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050 ? utcTime(date) : generalizedTime(date);
};

export const ATTRIBUTE = {
  CN: '2.5.4.3',
  SN: '2.5.4.4',
  serialNumber: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  DC: '0.9.2342.19200300.100.1.25',
  emailAddress: '1.2.840.113549.1.9.1',
} as const;
export type AttributeName = keyof typeof ATTRIBUTE;

/**
 * A name: text is its common name; a list is one RDN for each row, `['O', 'Example']` or `['O', <DER of the value>]`; raw
 * octets are its whole DER.
 */
export type NameInput =
  | string
  | Uint8Array
  | readonly (readonly [type: AttributeName | (string & {}), value: string | Uint8Array])[];

/** C is a PrintableString, DC and emailAddress are IA5Strings, the rest UTF8Strings. */
export function attribute(type: string, value: string | Uint8Array): Uint8Array {
  const oid = ATTRIBUTE[type as AttributeName] ?? type;
  return writeSequence(writeOid(oid), value instanceof Uint8Array ? value : attributeText(type, value));
}
function attributeText(type: string, value: string): Uint8Array {
  if (type === 'C' || type === 'serialNumber') return printableString(value);
  return type === 'DC' || type === 'emailAddress' ? ia5String(value) : utf8String(value);
}

export function name(input: NameInput): Uint8Array {
  if (input instanceof Uint8Array) return input;
  const rows = typeof input === 'string' ? ([['CN', input]] as const) : input;
  return writeSequence(...rows.map(([type, value]) => writeSetOf([attribute(type, value)])));
}

/** GeneralNames (RFC 5280 section 4.2.1.6), one constructor for each alternative. */
export const general = {
  other: (type: string, value: Uint8Array): Uint8Array =>
    writeExplicit(0, writeOid(type), writeExplicit(0, value)),
  email: (text: string): Uint8Array => writeElement(contextPrimitive(1), latin1(text)),
  dns: (text: string): Uint8Array => writeElement(contextPrimitive(2), latin1(text)),
  x400: (...elements: Uint8Array[]): Uint8Array => writeExplicit(3, ...elements),
  directory: (input: NameInput): Uint8Array => writeExplicit(4, name(input)),
  edi: (...elements: Uint8Array[]): Uint8Array => writeExplicit(5, ...elements),
  uri: (text: string): Uint8Array => writeElement(contextPrimitive(6), latin1(text)),
  /** Octets: 4 or 16, or 8 or 32 in constraints. */
  ip: (...octets: number[]): Uint8Array => writeElement(contextPrimitive(7), Uint8Array.from(octets)),
  registered: (oid: string): Uint8Array => writeOid(oid, contextPrimitive(8)),
  /** SmtpUTF8Mailbox (RFC 9598 section 3). */
  smtpUtf8: (text: string): Uint8Array => general.other('1.3.6.1.5.5.7.8.9', utf8String(text)),
};
