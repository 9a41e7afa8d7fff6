/** Addresses that are not of the public internet (IANA special-purpose registries, RFC 6890 and its updates). */
import { BlockList, isIP } from 'node:net';

const special = new BlockList();
const V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // RFC 6598
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
for (const [network, prefix] of V4) special.addSubnet(network, prefix, 'ipv4');

/** Where IPv6 is given out to the public (RFC 4291 section 2.4); everything else is special. */
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
const V6: readonly (readonly [string, number])[] = [
  ['2001::', 23], // IETF assignments, Teredo and ORCHID among them
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4: an IPv4 address inside
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
  ['5f00::', 16],
];
for (const [network, prefix] of V6) special.addSubnet(network, prefix, 'ipv6');

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/iu;

/** Whether the address is one that a stranger on the internet may have. Anything that is no address is not. */
export function isPublicAddress(address: string): boolean {
  const mapped = MAPPED.exec(address)?.[1];
  if (mapped !== undefined) return isPublicAddress(mapped);
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6:
      return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
    default:
      return false;
  }
}
