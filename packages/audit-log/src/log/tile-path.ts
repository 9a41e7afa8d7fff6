/** Names and sizes of tiles: C2SP tlog-tiles, "Merkle Tree" and "Log entries". */

/** Hashes, or entries, in a full tile: a subtree of height 8. */
export const TILE_WIDTH = 256;
export const CHECKPOINT_PATH = 'checkpoint';

export interface TileId {
  /** Height of the tile in tiles, 0 to 63; "entries" for an entry bundle. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial. */
  readonly width: number;
}

/** "tile/0/x001/234", "tile/entries/000.p/5". Throws RangeError when there is no such tile. */
export function tilePath(level: TileId['level'], index: number, width: number = TILE_WIDTH): string {
  if (level !== 'entries' && !isWithin(level, 0, 63)) throw new RangeError(`no tile level ${level}`);
  if (!isWithin(index, 0, Number.MAX_SAFE_INTEGER)) throw new RangeError(`no tile index ${index}`);
  if (!isWithin(width, 1, TILE_WIDTH)) throw new RangeError(`no tile width ${width}`);
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? [];
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** The tile of a path, or undefined when it is not exactly what `tilePath` writes. */
export function parseTilePath(path: string): TileId | undefined {
  const [, level, digits, width] = PATH.exec(path) ?? [];
  if (level === undefined || digits === undefined) return undefined;
  const tile: TileId = {
    level: level === 'entries' ? level : Number(level),
    index: Number(digits.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  try {
    return tilePath(tile.level, tile.index, tile.width) === path ? tile : undefined;
  } catch {
    return undefined; // a level, index or width that does not exist
  }
}

/** Hashes at a level of a tree of this size: floor(size / 256^level). */
export function hashesAtLevel(size: number, level: number): number {
  let count = size;
  for (let i = 0; i < level && count > 0; i++) count = Math.floor(count / TILE_WIDTH);
  return count;
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
