/**
 * Where a route may connect to, decided on the address that is connected to: a name that resolves elsewhere after a check
 * (DNS rebinding) changes nothing.
 *
 * Addresses that hand out a machine's credentials or configuration, and those that are no destination at all, are refused
 * unless an entry names exactly that address.
 */
import { BlockList, isIP } from 'node:net';

export type Egress = {
  permits(host: string, address: string): boolean;
};

/** Of an entry: a host name, an address, or a network in CIDR notation. */
type Entry =
  | { readonly kind: 'host'; readonly host: string }
  | { readonly kind: 'net'; readonly address: string; readonly prefix: number; readonly family: Family };
type Family = 'ipv4' | 'ipv6';

const BITS = { ipv4: 32, ipv6: 128 } as const;
const HOST = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/iu;

/** Link-local and metadata services; unspecified, multicast and reserved (RFC 6890, RFC 4291, RFC 6052). */
const SPECIAL: readonly (readonly [string, number, Family])[] = [
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'], // Alibaba Cloud
  ['168.63.129.16', 32, 'ipv4'], // Azure
  ['192.0.0.192', 32, 'ipv4'], // Oracle Cloud
  ['0.0.0.0', 8, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  ['fd00:ec2::', 32, 'ipv6'], // Amazon
  ['fd20:ce::254', 128, 'ipv6'], // Google
  ['::', 128, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];
const special = new BlockList();
for (const [address, prefix, family] of SPECIAL) {
  special.addSubnet(address, prefix, family);
  if (family === 'ipv6') continue;
  // The same through NAT64 (RFC 6052 section 2.1) and through 6to4 (RFC 3056 section 2).
  special.addSubnet(`64:ff9b::${address}`, 96 + prefix, 'ipv6');
  special.addSubnet(`2002:${hexOf(address)}::`, 16 + prefix, 'ipv6');
}

/** What is wrong with an entry; undefined = nothing. */
export function egressProblem(text: string): string | undefined {
  return parseEntry(text) === undefined
    ? `${JSON.stringify(text)} is no host name, address or network`
    : undefined;
}

/** Without `entries` every address but the special ones. Throws `TypeError` for an entry that is none. */
export function createEgress(entries: readonly string[] | undefined): Egress {
  const hosts = new Set<string>();
  const networks = new BlockList();
  const named = new BlockList();
  for (const text of entries ?? []) {
    const entry = parseEntry(text);
    if (entry === undefined) throw new TypeError(egressProblem(text));
    if (entry.kind === 'host') hosts.add(entry.host);
    else if (entry.prefix === BITS[entry.family]) named.addAddress(entry.address, entry.family);
    else networks.addSubnet(entry.address, entry.prefix, entry.family);
  }
  return {
    permits(host, address) {
      const family = familyOf(address);
      if (family === undefined) return false;
      const bare = withoutZone(address);
      if (named.check(bare, family)) return true;
      if (special.check(bare, family)) return false;
      return entries === undefined || networks.check(bare, family) || hosts.has(host.toLowerCase());
    },
  };
}

function parseEntry(text: string): Entry | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const family = familyOf(address);
  if (family === undefined || rest.length > 0 || address.includes('%'))
    // Digits and dots alone would be an address that some resolver reads in its own way.
    return HOST.test(text) && !/^[\d.]+$/u.test(text)
      ? { kind: 'host', host: text.toLowerCase() }
      : undefined;
  if (length !== undefined && !/^\d{1,3}$/u.test(length)) return undefined;
  const prefix = length === undefined ? BITS[family] : Number(length);
  return prefix > BITS[family] ? undefined : { kind: 'net', address, prefix, family };
}

function familyOf(address: string): Family | undefined {
  const version = isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : undefined;
}

/** `a9fe:0000` of `169.254.0.0`. */
function hexOf(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const group = (high: number, low: number): string => (high * 256 + low).toString(16).padStart(4, '0');
  return `${group(a, b)}:${group(c, d)}`;
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? address;
}
