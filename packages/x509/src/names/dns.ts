/** DNS names as certificates present them (RFC 5280 section 4.2.1.6, RFC 9525). */
import { domainToASCII } from 'node:url';

/** A lower-case host name without trailing dot. Underscores are no host names, and are met in certificates all the same. */
const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const HOST_NAME = new RegExp(`^(?:${LABEL}\\.)*${LABEL}$`, 'u');
const MAX_LENGTH = 253; // RFC 1035 section 2.3.4, without the root's length octet

/** The name in lower case; undefined when it is no host name: an empty label, a wildcard, a trailing dot, other characters. */
export function hostName(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const lower = text.toLowerCase();
  return HOST_NAME.test(lower) ? lower : undefined;
}

/** As `hostName`, and never what would be read as an IPv4 address: the last label of a host name is no number. */
export function fullHostName(text: string): string | undefined {
  const name = hostName(text);
  if (name === undefined) return undefined;
  return /^(?:\d+|0x[0-9a-f]*)$/u.test(name.slice(name.lastIndexOf('.') + 1)) ? undefined : name;
}

/** A host name whose U-labels may stand in Unicode, as A-labels (RFC 9525 section 2, RFC 5891). */
export function internationalHostName(text: string): string | undefined {
  // Only what has other characters than ASCII is converted: the function reads numbers as IPv4 addresses.
  return hostName(/^\p{ASCII}*$/u.test(text) ? text : domainToASCII(text));
}

/** What a dNSName of a certificate covers: one host, or with a wildcard each host one label below `parent`. */
export type PresentedDns = { readonly host: string } | { readonly parent: string };

/** RFC 9525 section 6.3: a wildcard is the whole left-most label and stands for one label. */
export function presentedDns(value: string): PresentedDns | undefined {
  if (value.startsWith('*.')) {
    const parent = hostName(value.slice(2));
    return parent === undefined ? undefined : { parent };
  }
  const host = hostName(value);
  return host === undefined ? undefined : { host };
}

/** `expected` is a host name in lower case. */
export function dnsMatches(presented: PresentedDns, expected: string): boolean {
  if ('host' in presented) return presented.host === expected;
  const dot = expected.indexOf('.');
  return dot > 0 && expected.slice(dot + 1) === presented.parent;
}

/** RFC 5280 section 4.2.1.10: `name` is `base`, or `base` with labels before it. The empty base holds every name. */
export function isInDomain(name: string, base: string): boolean {
  if (base === '') return true;
  return (
    name.endsWith(base) &&
    (name.length === base.length || name.charCodeAt(name.length - base.length - 1) === 0x2e)
  );
}
