/**
 * Tiles only ever grow at their end, so the partial tile of an earlier size is the beginning of the one that replaced it.
 * A log keeps the partial tiles of its newest checkpoint alone; who still reads at an earlier size is served by this.
 */
import { scanBundle } from './bundle.ts';
import { hashesAtLevel, parseTilePath, TILE_WIDTH, tilePath } from './tile-path.ts';

const HASH_BYTES = 32;

/** The tile of `path` in a log of `size` leaves, cut from a wider one where it has been replaced; undefined = none. */
export async function readTileAt(
  read: (path: string) => Promise<Uint8Array | undefined>,
  path: string,
  size: number,
): Promise<Uint8Array | undefined> {
  const bytes = await read(path);
  const tile = parseTilePath(path);
  if (bytes !== undefined || tile === undefined || tile.width === TILE_WIDTH) return bytes;
  const { level, index, width } = tile;
  const count = level === 'entries' ? size : hashesAtLevel(size, level);
  const available = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
  if (available < width) return undefined;
  // The full one may be there before a checkpoint covers it.
  const wider =
    (available === width ? undefined : await read(tilePath(level, index, available))) ??
    (await read(tilePath(level, index)));
  if (wider === undefined) return undefined;
  if (level !== 'entries') return wider.subarray(0, width * HASH_BYTES);
  const { entries, end } = scanBundle(wider, width);
  return entries.length === width ? wider.subarray(0, end) : undefined;
}
