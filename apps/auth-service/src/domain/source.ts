/** Where an attempt came from, in a form that an attacker cannot make many of. */
import { isIP } from 'node:net';

export const UNKNOWN_SOURCE = 'unknown';

/** The address as given when it is one, else `unknown`: it is stored and recorded, so nothing else may pass. */
export function parseSource(address: string): string {
  return isIP(address) === 0 || address.includes('%') ? UNKNOWN_SOURCE : address.toLowerCase();
}

/** What counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber has all of (RFC 6177 section 2). */
export function sourceNetwork(address: string): string {
  const source = parseSource(address);
  if (isIP(source) !== 6) return source;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/u.exec(source)?.[1]; // RFC 4291 section 2.5.5.2
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = source.split('::', 2);
  const groups = (part: string | undefined) =>
    (part ?? '')
      .split(':')
      .flatMap((group) => (group === '' ? [] : group.includes('.') ? ['0', '0'] : [group]));
  const front = groups(head);
  const back = groups(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  const prefix = [...front, ...(tail === undefined ? [] : zeros), ...back].slice(0, 4);
  return `${prefix.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
