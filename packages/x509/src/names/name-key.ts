/** Distinguished names compared after RFC 5280 section 7.1. */
import { hash } from 'node:crypto';
import type { AttributeTypeAndValue, Name } from '../certificate/types.ts';
import { prepare } from './prepare.ts';

// Prepared text has no control characters, so these end an attribute and an RDN without doubt.
const END_OF_ATTRIBUTE = '\u0001';
const END_OF_RDN = '\u0002';
/** Before text that cannot be prepared. */
const UNPREPARED = '\u0003';

const prepared = new WeakMap<Name, string>();
const digests = new WeakMap<Name, string>();

/** V8 tells strings beyond 16,383 characters apart by their length alone where it looks them up. */
const LONG = 4_096;

/** Two names are the same, after section 7.1, exactly when their keys are. Memoised per `Name`. */
export function nameKey(name: Name): string {
  const text = preparedName(name);
  if (text.length <= LONG) return text;
  let digest = digests.get(name);
  if (digest === undefined) {
    digest = `#${hash('sha256', text, 'hex')}`; // no prepared name begins so
    digests.set(name, digest);
  }
  return digest;
}

function preparedName(name: Name): string {
  let text = prepared.get(name);
  if (text === undefined) {
    text = '';
    for (const rdn of name.rdns) text += rdnKey(rdn) + END_OF_RDN;
    prepared.set(name, text);
  }
  return text;
}

/** Whether two distinguished names are the same after RFC 5280 section 7.1: case, spaces and string types say nothing. */
export function sameName(a: Name, b: Name): boolean {
  return a === b || sameOctets(a.der, b.der) || nameKey(a) === nameKey(b);
}

/** Section 7.1: `name` is in the subtree of `base` when its first RDNs are those of `base`. A base without RDNs holds all. */
export function isWithin(name: Name, base: Name): boolean {
  // Each RDN ends with its own sign, so a prefix of the text is a prefix of whole RDNs.
  return preparedName(name).startsWith(preparedName(base));
}

/**
 * Whether the name is in the subtree, or nobody can tell: what cannot be prepared is neither the same nor another (RFC 4518
 * section 2, RFC 4517 section 4.1).
 */
export function mayBeWithin(name: Name, base: Name): boolean {
  return isWithin(name, base) || preparedName(name).includes(UNPREPARED);
}

/** Attributes of one RDN are a set: their order says nothing. */
function rdnKey(rdn: readonly AttributeTypeAndValue[]): string {
  const [only] = rdn;
  if (rdn.length === 1 && only !== undefined) return attributeKey(only);
  return rdn.map(attributeKey).toSorted().join('');
}

/**
 * `s` before prepared text, which is compared whatever its string type was; `x`, or the sign of what cannot be prepared, before
 * a tag and octets, which are compared as they are.
 */
function attributeKey(attribute: AttributeTypeAndValue): string {
  const text = decodeText(attribute.tag, attribute.value);
  const comparable = text === undefined ? undefined : prepare(text);
  const sign = isText(attribute.tag) ? UNPREPARED : 'x';
  const value =
    comparable === undefined ? `${sign}${attribute.tag}:${toHex(attribute.value)}` : `s${comparable}`;
  return `${attribute.type}=${value}${END_OF_ATTRIBUTE}`;
}

/** Of a type for characters, or of no universal type: a reader may take it for text. */
function isText(tag: number): boolean {
  return tag === 12 || (tag >= 18 && tag !== 23 && tag !== 24);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true });

/** RFC 4518 section 2.1, transcoding. Undefined for what is no character string, or none of its type. */
function decodeText(tag: number, value: Uint8Array): string | undefined {
  switch (tag) {
    case 12: // UTF8String
    case 18: // NumericString
    case 19: // PrintableString
    case 22: // IA5String
    case 26: // VisibleString
      return decodeWith(utf8, value);
    case 20: // TeletexString: no two implementations agree on T.61; as everywhere, Latin-1 is read
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
    case 28: // UniversalString
      return decodeUtf32(value);
    case 30: // BMPString
      return decodeWith(utf16, value);
    default:
      return undefined;
  }
}

function decodeWith(decoder: typeof utf8, value: Uint8Array): string | undefined {
  try {
    return decoder.decode(value);
  } catch {
    return undefined;
  }
}

function decodeUtf32(value: Uint8Array): string | undefined {
  if (value.length % 4 !== 0) return undefined;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  let text = '';
  for (let i = 0; i < value.length; i += 4) {
    const codePoint = view.getUint32(i);
    if (codePoint > 0x10_ff_ff || (codePoint >= 0xd8_00 && codePoint <= 0xdf_ff)) return undefined;
    text += String.fromCodePoint(codePoint);
  }
  return text;
}

function toHex(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
