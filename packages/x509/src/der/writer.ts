/** Writes DER: what OCSP requests, key identifiers and tests need, and no more. */
import type { Oid } from '../certificate/types.ts';
import { CONSTRUCTED, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, contextConstructed } from './tags.ts';

/** One element: identifier, length, and the parts as its contents. */
export function writeElement(identifier: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const header = length < 0x80 ? [identifier, length] : [identifier, ...longLength(length)];
  const element = new Uint8Array(header.length + length);
  element.set(header);
  let at = header.length;
  for (const part of contents) {
    element.set(part, at);
    at += part.length;
  }
  return element;
}

function longLength(length: number): number[] {
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

export const writeSequence = (...elements: readonly Uint8Array[]): Uint8Array =>
  writeElement(SEQUENCE, ...elements);

export const writeOctetString = (octets: Uint8Array): Uint8Array => writeElement(OCTET_STRING, octets);

export const writeNull = (): Uint8Array => writeElement(NULL);

/** `[number]` EXPLICIT, or IMPLICIT of a constructed type given the elements inside. */
export const writeExplicit = (number: number, ...elements: readonly Uint8Array[]): Uint8Array =>
  writeElement(contextConstructed(number), ...elements);

/** X.690 section 11.6: the elements of a SET OF ascend by their encodings. */
export function writeSetOf(elements: readonly Uint8Array[]): Uint8Array {
  return writeElement(SET, ...[...elements].sort((a, b) => Buffer.compare(a, b)));
}

/** INTEGER: a value, or the octets of its two's complement as they are. */
export function writeInteger(value: number | bigint | Uint8Array, identifier: number = INTEGER): Uint8Array {
  if (value instanceof Uint8Array) return writeElement(identifier, value);
  const octets: number[] = [];
  let rest = BigInt(value);
  do {
    octets.unshift(Number(rest & 0xffn));
    rest >>= 8n;
  } while (rest !== 0n && rest !== -1n);
  const first = octets[0] ?? 0;
  if (rest === 0n && first >= 0x80) octets.unshift(0x00);
  if (rest === -1n && first < 0x80) octets.unshift(0xff);
  return writeElement(identifier, Uint8Array.from(octets));
}

/** Throws a TypeError for what is no dotted decimal. */
export function writeOid(oid: Oid, identifier: number = OID): Uint8Array {
  if (!/^[012](\.(0|[1-9]\d*))+$/u.test(oid)) throw new TypeError(`not an OID: ${oid}`);
  const [root = 0n, second = 0n, ...arcs] = oid.split('.').map(BigInt);
  return writeElement(identifier, Uint8Array.from([root * 40n + second, ...arcs].flatMap(septets)));
}

function septets(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
  return octets;
}

/** The same contents under another tag, `[number]` IMPLICIT; a constructed type stays one. */
export function writeImplicit(number: number, element: Uint8Array): Uint8Array {
  const retagged = Uint8Array.from(element);
  retagged[0] = 0x80 | ((element[0] ?? 0) & CONSTRUCTED) | number;
  return retagged;
}
