/** Roots and proofs of a tree, read from its tiles. A tile is read at most once by a reader. */
import { merkleRoot } from '@sallyport/crypto';
import { AuditLogError } from '../errors.ts';
import { hashesAtLevel, TILE_WIDTH, tilePath } from './tile-path.ts';

const HASH_BYTES = 32;

export type ReadTile = (path: string) => Promise<Uint8Array | undefined>;

/** Every method throws AuditLogError `log_inconsistent`, with the tile's path, when a tile is missing or misshapen. */
export class TileReader {
  readonly #read: ReadTile;
  readonly #size: number;
  readonly #tiles = new Map<string, readonly Uint8Array[]>();

  constructor(read: ReadTile, size: number) {
    this.#read = read;
    this.#size = size;
  }

  /** Root of the first `size` leaves. */
  root(size = this.#size): Promise<Uint8Array> {
    return size === 0 ? Promise.resolve(merkleRoot([])) : this.#subtreeRoot(0, size);
  }

  /** RFC 9162 section 2.1.3.1. Throws RangeError when there is no such leaf. */
  async inclusionPath(index: number): Promise<Uint8Array[]> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#size) {
      throw new RangeError(`no leaf ${index} in a log of ${this.#size}`);
    }
    const path: Uint8Array[] = [];
    let [start, end] = [0, this.#size];
    while (end - start > 1) {
      const middle = start + largestPowerBelow(end - start);
      if (index < middle) {
        path.push(await this.#subtreeRoot(middle, end));
        end = middle;
      } else {
        path.push(await this.#subtreeRoot(start, middle));
        start = middle;
      }
    }
    return path.reverse();
  }

  /** RFC 9162 section 2.1.4.1. Throws RangeError when `oldSize` is not between 0 and the tree's size. */
  async consistencyProof(oldSize: number): Promise<Uint8Array[]> {
    if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > this.#size) {
      throw new RangeError(`no log of ${oldSize} inside one of ${this.#size}`);
    }
    if (oldSize === 0) return [];
    const proof: Uint8Array[] = [];
    let [start, end] = [0, this.#size];
    while (oldSize < end) {
      const middle = start + largestPowerBelow(end - start);
      if (oldSize <= middle) {
        proof.push(await this.#subtreeRoot(middle, end));
        end = middle;
      } else {
        proof.push(await this.#subtreeRoot(start, middle));
        start = middle;
      }
    }
    if (start > 0) proof.push(await this.#subtreeRoot(start, end)); // the verifier has the old root itself
    return proof.reverse();
  }

  /** The hashes of a tile, as many as this tree size has in it. */
  async hashes(level: number, index: number): Promise<readonly Uint8Array[]> {
    const width = Math.min(hashesAtLevel(this.#size, level) - index * TILE_WIDTH, TILE_WIDTH);
    const path = tilePath(level, index, width);
    const known = this.#tiles.get(path);
    if (known !== undefined) return known;
    // A partial tile may be gone once the full one is there (C2SP tlog-tiles, "Partial Tiles").
    const whole = width < TILE_WIDTH ? tilePath(level, index) : path;
    const bytes = (await this.#read(path)) ?? (whole === path ? undefined : await this.#read(whole));
    const fits = bytes?.length === width * HASH_BYTES || bytes?.length === TILE_WIDTH * HASH_BYTES;
    if (bytes === undefined || !fits) {
      const what =
        bytes === undefined ? 'is missing' : `has ${bytes.length} bytes, not ${width * HASH_BYTES}`;
      throw new AuditLogError('log_inconsistent', `${path} ${what}`, { file: path });
    }
    const hashes = splitHashes(bytes.subarray(0, width * HASH_BYTES));
    this.#tiles.set(path, hashes);
    return hashes;
  }

  /** Root of the leaves from `start` up to `end`, which start at a multiple of their largest complete subtree. */
  async #subtreeRoot(start: number, end: number): Promise<Uint8Array> {
    const count = end - start;
    const power = largestPowerBelow(count + 1);
    if (power === count) return this.#completeRoot(start, count);
    // At most one such split for each bit of the size: the right part is always smaller than half.
    return merkleNode(await this.#completeRoot(start, power), await this.#subtreeRoot(start + power, end));
  }

  async #completeRoot(start: number, count: number): Promise<Uint8Array> {
    let level = 0;
    let [first, width] = [start, count];
    for (; width >= TILE_WIDTH; level++) [first, width] = [first / TILE_WIDTH, width / TILE_WIDTH];
    const hashes = await this.hashes(level, Math.floor(first / TILE_WIDTH));
    const offset = first % TILE_WIDTH;
    return merkleRoot(hashes.slice(offset, offset + width));
  }
}

export function splitHashes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / HASH_BYTES) }, (_, i) =>
    bytes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

function merkleNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  return merkleRoot([left, right]);
}

/** The largest power of two smaller than `size`, which is at least 2. */
function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}
