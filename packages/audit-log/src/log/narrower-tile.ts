/**
 * Tiles only ever grow at their end, so the partial tile of an earlier size is the beginning of the one that replaced it.
 * A log keeps the partial tiles of its newest checkpoint alone; who still reads at an earlier size is served by this.
 */
import { scanBundle } from './bundle.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { parseNote } from './note.ts';
import { hashesAtLevel, parseTilePath, TILE_WIDTH, tilePath } from './tile-path.ts';
import type { TileId } from './tile-path.ts';
import type { ReadTile } from './tile-reader.ts';

const HASH_BYTES = 32;

/** A log that outgrows its reader more often than this in a row is no log but somebody who keeps the reader busy. */
const MAX_LOOKS = 32;

export interface FoundTile {
  /** That of the tile that was asked for, or of a wider one that begins with it. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * The tile of `path`, or a wider one that replaced it; undefined = none, in a log that stands still. `readSize` gives
 * the leaves under the log's newest checkpoint: a hint where to look, so it need not be verified.
 *
 * Between any two reads the log may store another checkpoint and drop the partial tiles of the one before, those that
 * were about to be read included: nothing is missing before the log has been of one size all the while.
 */
export async function findTile(
  read: ReadTile,
  path: string,
  readSize: () => Promise<number>,
): Promise<FoundTile | undefined> {
  const tile = parseTilePath(path);
  const bytes = await read(path);
  if (bytes !== undefined) return { path, bytes };
  if (tile === undefined || tile.width === TILE_WIDTH) return undefined;
  let size = -1;
  for (let look = 0; look < MAX_LOOKS; look++) {
    const sizeNow = await readSize();
    if (sizeNow === size) return undefined;
    size = sizeNow;
    for (const wider of pathsAt(tile, size)) {
      const found = await read(wider);
      if (found !== undefined) return { path: wider, bytes: found };
    }
  }
  return undefined;
}

/** As `findTile`, cut to what was asked for; undefined too when the wider one holds too little. */
export async function readTileAt(
  read: ReadTile,
  path: string,
  readSize: () => Promise<number>,
): Promise<Uint8Array | undefined> {
  const found = await findTile(read, path, readSize);
  const tile = parseTilePath(path);
  if (found === undefined || tile === undefined || found.path === path) return found?.bytes;
  if (tile.level !== 'entries') return found.bytes.subarray(0, tile.width * HASH_BYTES);
  const { entries, end } = scanBundle(found.bytes, tile.width);
  return entries.length === tile.width ? found.bytes.subarray(0, end) : undefined;
}

/** Leaves that a stored note says it covers, for `findTile`; 0 where there is no readable one. Verifies nothing. */
export function claimedSize(note: Uint8Array | undefined): number {
  const parsed = note && parseNote(note);
  return (parsed && parseCheckpoint(parsed.text)?.size) ?? 0;
}

/** Where a log of `size` leaves has the beginning of a tile, if it is that large. */
function pathsAt({ level, index, width }: TileId, size: number): readonly string[] {
  const count = level === 'entries' ? size : hashesAtLevel(size, level);
  const available = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
  if (available < width) return [];
  // The full one may be there, and have removed the partial ones, before a checkpoint covers it.
  return [...new Set([tilePath(level, index, available), tilePath(level, index)])];
}
