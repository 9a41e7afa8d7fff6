/** Certificates and keys that are refused whatever else is good about them. */

/**
 * One entry per line: `certificate <hex>` or `key <hex>`, SHA-256 of the certificate or of its SubjectPublicKeyInfo, in DER;
 * or `serial <hex> <serial>`, a certificate by the key of its issuer (SHA-256 as before) and the number that it gave it.
 */
export interface DenyList {
  readonly certificates: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
  /** `serialEntry` of each. */
  readonly serials: ReadonlySet<string>;
}

export const NOBODY_DENIED: DenyList = { certificates: new Set(), keys: new Set(), serials: new Set() };

const ENTRY = /^(?:(certificate|key)\s+([0-9a-f:]+)|serial\s+([0-9a-f:]+)\s+([0-9a-f:]+))$/iu;
const DIGEST = /^[0-9a-f]{64}$/u;

/**
 * Reads a list; `#` begins a comment. Throws `TypeError` with the line for anything else: an entry that is not understood
 * would be somebody who is not denied.
 */
export function parseDenyList(text: string): DenyList {
  const certificates = new Set<string>();
  const keys = new Set<string>();
  const serials = new Set<string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/u, '').trim();
    if (line === '') continue;
    const [, kind, subject, issuer, serial] = ENTRY.exec(line) ?? [];
    const digest = plainHex(subject ?? issuer ?? '');
    if (!DIGEST.test(digest))
      throw new TypeError(
        `line ${index + 1} is none of "certificate <SHA-256>", "key <SHA-256>" and "serial <SHA-256 of the issuer's key> <serial>", in hex`,
      );
    if (serial !== undefined) serials.add(serialEntry(digest, plainHex(serial)));
    else (kind?.toLowerCase() === 'key' ? keys : certificates).add(digest);
  }
  return { certificates, keys, serials };
}

/** Both in lower-case hex. Zeros in front are not part of a number: tools write them or leave them out. */
export function serialEntry(issuerKeyDigest: string, serialHex: string): string {
  return `${issuerKeyDigest} ${serialHex.replace(/^0+/u, '')}`;
}

function plainHex(text: string): string {
  return text.replaceAll(':', '').toLowerCase();
}
