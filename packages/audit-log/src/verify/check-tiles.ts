/** Tiles as they are stored, against hashes that are known. */
import type { HashTile } from '../log/edge.ts';
import { claimedSize, findTile } from '../log/narrower-tile.ts';
import { hashesAtLevel, parseTilePath, TILE_WIDTH, tilePath } from '../log/tile-path.ts';
import { firstDifference, sameBytes } from './findings.ts';
import type { Findings } from './findings.ts';
import type { FindingKind, LogSource } from './types.ts';

export const REBUILD = 'Tiles follow from the entries: rebuild them, and find out who could write there.';

export interface StoredTile {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Hashes or entries that are to be in it: more than the log of the asked size has, where a wider one replaced it. */
  readonly width: number;
}

/**
 * A tile of a log of `size` or, where the log has grown since, the wider one that replaced it. What that one has beyond
 * `size` is nobody's claim yet and not looked at. Missing ones are reported once, here.
 */
export async function readTile(
  source: LogSource,
  level: number | 'entries',
  index: number,
  size: number,
  findings?: Findings,
): Promise<StoredTile | undefined> {
  const count = level === 'entries' ? size : hashesAtLevel(size, level);
  const width = Math.min(count - index * TILE_WIDTH, TILE_WIDTH);
  const path = tilePath(level, index, width);
  const found = await findTile(
    (each) => source.tile(each),
    path,
    async () => claimedSize(await source.checkpoint()),
  );
  if (found !== undefined) return { ...found, width: parseTilePath(found.path)?.width ?? width };
  findings?.add({
    kind: level === 'entries' ? 'entry_bundle' : 'hash_tile',
    where: path,
    what: 'the tile is missing',
    next: REBUILD,
    tile: path,
  });
  return undefined;
}

/** Compares a hash tile above the leaves with what the tiles below it give. */
export async function checkHashTile(
  source: LogSource,
  tile: HashTile,
  size: number,
  findings: Findings,
): Promise<void> {
  const stored = await readTile(source, tile.level, tile.index, size, findings);
  if (stored === undefined) return;
  checkLength(stored, findings);
  for (const [position, hash] of tile.hashes.entries()) {
    const found = stored.bytes.subarray(position * 32, position * 32 + 32);
    if (found.length < 32 || sameBytes(found, hash)) continue;
    const offset = position * 32 + firstDifference(found, hash);
    reportTile('hash_tile', stored.path, offset, position, 'is not the root of the tile below it', findings);
  }
}

/** A hash tile has 32 bytes for each hash. */
export function checkLength({ path, bytes, width }: StoredTile, findings: Findings): void {
  const wanted = width * 32;
  if (bytes.length === wanted) return;
  const what = `the tile has ${bytes.length} bytes, not ${wanted}`;
  findings.add({
    kind: 'hash_tile',
    where: path,
    what,
    next: REBUILD,
    tile: path,
    offset: Math.min(bytes.length, wanted),
  });
}

export function reportTile(
  kind: FindingKind,
  tile: string,
  offset: number,
  position: number,
  what: string,
  findings: Findings,
): void {
  const unit = kind === 'hash_tile' ? 'hash' : 'entry';
  findings.add({
    kind,
    where: `${tile} byte ${offset} (${unit} ${position})`,
    what: `${unit} ${position} ${what}`,
    next: REBUILD,
    tile,
    offset,
    position,
  });
}
