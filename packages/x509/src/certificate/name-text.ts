/** Names for people: distinguished names after RFC 4514, general names with their kind. */
import { isIPv6 } from 'node:net';
import type { AttributeTypeAndValue, GeneralName, Name, Oid } from './types.ts';

/** RFC 4514 section 3, and the attributes that certificates have besides, by the names that X.520 gives them. */
const KEYWORDS: Readonly<Record<Oid, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.42': 'GN',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.65': 'pseudonym',
  '2.5.4.97': 'organizationIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

/**
 * RFC 4514: the last RDN first, `CN=leaf,O=Example\, Inc.,C=DE`; an empty name is ''. What is not text is `#` and hex. Beyond
 * the RFC, characters that a terminal or a reader could take for something else (controls, marks of direction) are escaped.
 */
export function nameText(name: Name): string {
  return name.rdns.map(rdnText).reverse().join(',');
}

/** Section 2.2: attributes of one RDN, joined by `+`. */
export function rdnText(rdn: readonly AttributeTypeAndValue[]): string {
  return rdn.map(attributeText).join('+');
}

function attributeText(attribute: AttributeTypeAndValue): string {
  const keyword = KEYWORDS[attribute.type];
  const text = keyword === undefined ? undefined : textOf(attribute);
  // Section 2.4: another type, or a value that has no string form, is the hex of its BER
  return `${keyword ?? attribute.type}=${text === undefined ? `#${hexOf(attribute)}` : escaped(text)}`;
}

function hexOf({ tag, value }: AttributeTypeAndValue): string {
  const length = value.length < 0x80 ? [value.length] : lengthOctets(value.length);
  return Buffer.from([tag >= 16 && tag <= 17 ? tag | 0x20 : tag, ...length, ...value]).toString('hex');
}

function lengthOctets(length: number): number[] {
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

/** The characters of a string type; undefined for any other. TeletexString is taken for Latin-1, as it is in practice. */
export function textOf({ tag, value }: Pick<AttributeTypeAndValue, 'tag' | 'value'>): string | undefined {
  const octets = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  switch (tag) {
    case 12: // UTF8String
      return octets.toString('utf8');
    case 18: // NumericString
    case 19: // PrintableString
    case 20: // TeletexString
    case 22: // IA5String
    case 26: // VisibleString
      return octets.toString('latin1');
    case 28: // UniversalString
      return utf32Text(octets);
    case 30: // BMPString
      return Buffer.from(octets).swap16().toString('utf16le');
    default:
      return undefined;
  }
}

function utf32Text(octets: Buffer): string | undefined {
  let text = '';
  for (let at = 0; at + 4 <= octets.length; at += 4) {
    const character = octets.readUInt32BE(at);
    if (character > 0x10ffff) return undefined;
    text += String.fromCodePoint(character);
  }
  return text;
}

/** Controls, marks and overrides of direction, separators of lines, byte order mark, halves of surrogates. */
const INVISIBLE =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]|\p{Surrogate}/gu;

/** Section 2.4. */
function escaped(text: string): string {
  return text.replaceAll(/["+,;<=>\\]|^[ #]| $/gu, String.raw`\$&`).replaceAll(INVISIBLE, (character) =>
    Buffer.from(character)
      .toString('hex')
      .replaceAll(/../gu, String.raw`\$&`),
  );
}

/** For people: `DNS:a.example`, `IP:192.0.2.1`, `IP:192.0.2.0/24` (of a constraint), `DirName:CN=x`. */
export function generalNameText(name: GeneralName): string {
  switch (name.kind) {
    case 'dns':
      return `DNS:${visible(name.value)}`;
    case 'email':
      return `email:${visible(name.value)}`;
    case 'uri':
      return `URI:${visible(name.value)}`;
    case 'ip':
      return `IP:${addressText(name.value)}`;
    case 'directory':
      return `DirName:${nameText(name.value)}`;
    case 'registered':
      return `RID:${name.value}`;
    case 'other':
      return `otherName:${name.type};${otherText(name.value)}`;
    case 'x400':
    case 'edi':
      return `${name.kind}:#${Buffer.from(name.value).toString('hex')}`;
  }
}

const visible = (text: string): string =>
  text
    .replaceAll('\\', String.raw`\\`)
    .replaceAll(
      INVISIBLE,
      (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
    );

/** A UTF8String (SmtpUTF8Mailbox, user principal names) as text. */
function otherText(value: Uint8Array): string {
  const isShortUtf8 = value[0] === 12 && value[1] === value.length - 2;
  return isShortUtf8
    ? visible(Buffer.from(value.subarray(2)).toString('utf8'))
    : `#${Buffer.from(value).toString('hex')}`;
}

/** 4 or 16 octets, or 8 or 32 with the mask behind the address: `192.0.2.0/24`, or the mask itself where it has gaps. */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 8 || octets.length === 32) {
    const half = octets.length / 2;
    const mask = octets.subarray(half);
    return `${addressText(octets.subarray(0, half))}/${prefixLength(mask) ?? addressText(mask)}`;
  }
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((octets[2 * index] ?? 0) << 8) | (octets[2 * index + 1] ?? 0)).toString(16),
  );
  return compressed(groups);
}

/** Undefined when a one follows a zero. */
function prefixLength(mask: Uint8Array): number | undefined {
  const bits = Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join('');
  const length = bits.indexOf('0') === -1 ? bits.length : bits.indexOf('0');
  return bits.includes('1', length) ? undefined : length;
}

/** RFC 5952 section 4.2: `::` for the longest run of at least two zero groups, the first of equals. */
function compressed(groups: readonly string[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  const text = `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
  return isIPv6(text) ? text : groups.join(':');
}
