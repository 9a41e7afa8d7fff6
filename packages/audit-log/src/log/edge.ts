/**
 * The right edge of a tree in tiles: for each level, the hashes of the tile that is still filling up.
 *
 * Bounded: 255 hashes a level, whatever the size of the log.
 */
import { merkleRoot } from '@sallyport/crypto';
import { CompactRange } from './range.ts';
import { hashesAtLevel, TILE_WIDTH } from './tile-path.ts';

export interface HashTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
}

export class TreeEdge {
  readonly #levels: Uint8Array[][];
  readonly #range = new CompactRange();
  #size: number;

  /** Continues at `size` with the partial tiles' hashes, by level; nothing for a new tree. */
  constructor(size = 0, levels: readonly (readonly Uint8Array[])[] = []) {
    this.#size = size;
    this.#levels = levels.map((hashes) => [...hashes]);
    for (const [level, hashes] of [...levels.entries()].reverse()) {
      for (const hash of hashes) this.#range.push(hash, level * 8);
    }
  }

  get size(): number {
    return this.#size;
  }

  root(): Uint8Array {
    return this.#range.root();
  }

  /** Adds a leaf hash; returns the tiles it completed, lowest first. */
  append(leafHash: Uint8Array): HashTile[] {
    this.#range.push(leafHash);
    this.#size += 1;
    const completed: HashTile[] = [];
    let hash = leafHash;
    for (let level = 0; ; level++) {
      const hashes = (this.#levels[level] ??= []);
      hashes.push(hash);
      if (hashes.length < TILE_WIDTH) return completed;
      completed.push({ level, index: hashesAtLevel(this.#size, level + 1) - 1, hashes });
      this.#levels[level] = [];
      hash = merkleRoot(hashes);
    }
  }

  /** The tiles that are neither empty nor full, lowest first. */
  partialTiles(): HashTile[] {
    return this.#levels.flatMap((hashes, level) =>
      hashes.length === 0
        ? []
        : [{ level, index: hashesAtLevel(this.#size, level + 1), hashes: [...hashes] }],
    );
  }
}
