/**
 * BR section 7.1.4.3: a common name repeats a name of subjectAltName, character for character. Nothing here ever reads the
 * common name as a server's name, others do: so it is held against the names of the form that it looks like, where the
 * certificate has such names, and one that looks like no server's name is left alone.
 */
import type { Certificate, GeneralName } from '../certificate/types.ts';
import { parseIp } from '../names/ip.ts';
import { broken } from './facts.ts';
import type { Rule } from './types.ts';

const COMMON_NAME = '2.5.4.3';

export const commonName: Rule = (certificate, position) => {
  if (position !== 'leaf') return undefined;
  const names = certificate.subjectAltName ?? [];
  for (const text of commonNames(certificate)) {
    const copies = looksLikeAddress(text)
      ? names.flatMap(addressText)
      : looksLikeHost(text)
        ? names.flatMap(hostText)
        : [];
    if (copies.length > 0 && !copies.includes(text))
      return broken('BR section 7.1.4.3', `the common name "${text}" is no copy of a subjectAltName`);
  }
  return undefined;
};

function commonNames({ subject }: Certificate): string[] {
  return subject.rdns
    .flat()
    .filter(({ type }) => type === COMMON_NAME)
    .map(({ value }) => Buffer.from(value).toString('utf8'));
}

/** Dotted numbers, a hexadecimal number, colons: whatever somebody may read as an address. */
function looksLikeAddress(text: string): boolean {
  return /^(?:[\d.]+|0x[0-9a-f.x]+|[0-9a-f.]*:[0-9a-f:.]*)$/iu.test(text);
}

function looksLikeHost(text: string): boolean {
  return /^[^\s@]+\.[^\s@]+$/u.test(text);
}

/** A wildcard also stands for its domain's own name, which many issuers put there. */
function hostText(name: GeneralName): string[] {
  if (name.kind !== 'dns') return [];
  return name.value.startsWith('*.') ? [name.value, name.value.slice(2)] : [name.value];
}

/** RFC 3986 section 3.2.2 for IPv4, RFC 5952 section 4 for IPv6. */
function addressText(name: GeneralName): string[] {
  if (name.kind !== 'ip') return [];
  if (name.value.length === 4) return [name.value.join('.')];
  return [ipv6Text(name.value)];
}

/** RFC 5952 section 4: no leading zeros, the first longest run of two zero groups or more as `::`, lower case. */
function ipv6Text(octets: Uint8Array): string {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const groups = Array.from({ length: octets.length / 2 }, (_, i) => view.getUint16(i * 2).toString(16));
  const long = groups.join(':');
  // Longest run first; among equals the first.
  for (let length = groups.length; length >= 2; length--) {
    for (let start = 0; start + length <= groups.length; start++) {
      if (!groups.slice(start, start + length).every((group) => group === '0')) continue;
      const short = `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
      return parseIp(short) === undefined ? long : short;
    }
  }
  return long;
}
