/**
 * Entries of a stored bundle, one by one, kept in step with the tree: where a length prefix was changed, the entry that
 * the tree vouches for tells where the next one begins, so that one changed byte is one finding.
 */
import { leafHash } from '@sallyport/crypto';
import { scanBundle } from '../log/bundle.ts';
import type { StoredTile } from './check-tiles.ts';
import { sameBytes } from './findings.ts';

export interface BundledEntry {
  readonly path: string;
  /** Of the length prefix. */
  readonly offset: number;
  /** Prefix and entry as they are stored; shorter when the bundle ends within. */
  readonly raw: Uint8Array;
  readonly entry: Uint8Array;
  /** The length prefix is that of the entry. */
  readonly framed: boolean;
}

export class BundleReader {
  readonly #stored: StoredTile;
  #offset = 0;

  constructor(stored: StoredTile) {
    this.#stored = stored;
  }

  get offset(): number {
    return this.#offset;
  }

  get rest(): number {
    return Math.max(this.#stored.bytes.length - this.#offset, 0);
  }

  /** The next entry; `own` is what it should be by the database, `hash` by the hash tile. Undefined past the end. */
  next(own: Uint8Array | undefined, hash: Uint8Array | undefined): BundledEntry | undefined {
    const { path, bytes } = this.#stored;
    const offset = this.#offset;
    const entry = scanBundle(bytes.subarray(offset), 1).entries[0]?.entry;
    const holds = entry !== undefined && (sameBytes(entry, own) || sameBytes(leafHash(entry), hash));
    if (!holds && own !== undefined && (hash === undefined || sameBytes(leafHash(own), hash))) {
      this.#offset += 2 + own.length;
      if (offset + 2 > bytes.length) return undefined;
      const raw = bytes.subarray(offset, this.#offset);
      return { path, offset, raw, entry: raw.subarray(2), framed: entry?.length === own.length };
    }
    if (entry === undefined) {
      this.#offset = bytes.length;
      return undefined;
    }
    this.#offset += 2 + entry.length;
    return { path, offset, raw: bytes.subarray(offset, this.#offset), entry, framed: true };
  }
}
