/** IP addresses and their ranges (RFC 5280 sections 4.2.1.6 and 4.2.1.10). */

/** The 4 or 16 octets of an address as text, RFC 4291 section 2.2; undefined when it is none. Zones are refused. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  // No leading zeros: some read them as octal.
  if (!parts.every((part) => /^(?:0|[1-9]\d{0,2})$/u.test(part) && Number(part) <= 255)) return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  // `::` stands for at least one group of zeros.
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

/** Octets of groups between colons; the last may be an IPv4 address where `mayEnd` says that the address ends here. */
function groups(text: string, mayEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/iu.test(part)) {
      const group = Number.parseInt(part, 16);
      octets.push(group >> 8, group & 0xff);
      continue;
    }
    const embedded = mayEnd && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (embedded === undefined) return undefined;
    octets.push(...embedded);
  }
  return octets;
}

/** An address range of a name constraint: `address` already has the mask applied. */
export interface IpRange {
  readonly address: Uint8Array;
  readonly mask: Uint8Array;
}

/** The 8 or 32 octets of an address and its mask; undefined for another length or a mask that is no prefix (RFC 4632). */
export function ipRange(octets: Uint8Array): IpRange | undefined {
  if (octets.length !== 8 && octets.length !== 32) return undefined;
  const half = octets.length / 2;
  const mask = octets.subarray(half);
  if (!isPrefix(mask)) return undefined;
  return { address: octets.subarray(0, half).map((octet, i) => octet & (mask[i] ?? 0)), mask };
}

function isPrefix(mask: Uint8Array): boolean {
  let ended = false;
  for (const octet of mask) {
    if (ended ? octet !== 0 : (((~octet & 0xff) + 1) & ~octet & 0xff) !== 0) return false;
    ended ||= octet !== 0xff;
  }
  return true;
}

export function isInRange(address: Uint8Array, range: IpRange): boolean {
  if (address.length !== range.address.length) return false;
  for (let i = 0; i < address.length; i++) {
    if (((address[i] ?? 0) & (range.mask[i] ?? 0)) !== range.address[i]) return false;
  }
  return true;
}
