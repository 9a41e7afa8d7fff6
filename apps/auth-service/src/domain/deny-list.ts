/** Certificates and keys that are refused whatever else is good about them. */

/** `certificate <hex>` or `key <hex>` per line, SHA-256 of the certificate or of its SubjectPublicKeyInfo, in DER. */
export interface DenyList {
  readonly certificates: ReadonlySet<string>;
  readonly keys: ReadonlySet<string>;
}

export const NOBODY_DENIED: DenyList = { certificates: new Set(), keys: new Set() };

const ENTRY = /^(certificate|key)\s+([0-9a-fA-F:]+)$/u;

/**
 * Reads a list; `#` begins a comment. Throws `TypeError` with the line for anything else: an entry that is not understood
 * would be somebody who is not denied.
 */
export function parseDenyList(text: string): DenyList {
  const certificates = new Set<string>();
  const keys = new Set<string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/u, '').trim();
    if (line === '') continue;
    const [, kind, hex] = ENTRY.exec(line) ?? [];
    const digest = hex?.replaceAll(':', '').toLowerCase();
    if (digest?.length !== 64)
      throw new TypeError(
        `line ${index + 1} is neither "certificate <SHA-256 in hex>" nor "key <SHA-256 in hex>"`,
      );
    (kind === 'key' ? keys : certificates).add(digest);
  }
  return { certificates, keys };
}
