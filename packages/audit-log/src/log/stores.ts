/** Tile stores: in memory, and as a folder laid out as the C2SP paths say, servable as it is. */
import { constants } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AuditLogError } from '../errors.ts';
import { CHECKPOINT_PATH, parseTilePath } from './tile-path.ts';
import type { TileStore } from './types.ts';

export function memoryTileStore(): TileStore {
  const files = new Map<string, Uint8Array>();
  return {
    async read(path) {
      return files.get(checked(path))?.slice();
    },
    async create(path, bytes) {
      const existing = files.get(checked(path));
      if (existing !== undefined) return sameOrConflict(path, existing, bytes);
      files.set(path, bytes.slice());
    },
    async replace(path, bytes) {
      files.set(checked(path), bytes.slice());
    },
    async remove(path) {
      files.delete(checked(path));
    },
  };
}

/** Files under `directory` (absolute), mode 0600 in folders of mode 0700. One writer at a time. */
export function fileTileStore(directory: string): TileStore {
  const knownFolders = new Set<string>();
  let temporaries = 0;

  async function read(path: string): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await readFile(join(directory, checked(path))));
    } catch (error) {
      if (
        error instanceof Error &&
        'code' in error &&
        (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      ) {
        return undefined;
      }
      throw error;
    }
  }

  async function write(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(directory, checked(path));
    const folder = dirname(target);
    await makeFolder(folder);
    const temporary = `${target}.tmp${temporaries++}`;
    try {
      await using file = await open(temporary, 'w', 0o600);
      await file.writeFile(bytes);
      await file.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await rename(temporary, target);
    await syncFolder(folder);
  }

  /** A new folder's own name is durable only when its parent was synced. */
  async function makeFolder(folder: string): Promise<void> {
    if (knownFolders.has(folder)) return;
    const firstMade = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (firstMade !== undefined) {
      for (let made = folder; made.length >= firstMade.length; made = dirname(made))
        await syncFolder(dirname(made));
    }
    knownFolders.add(folder);
  }

  return {
    read,
    async create(path, bytes) {
      const existing = await read(path);
      if (existing !== undefined) return sameOrConflict(path, existing, bytes);
      await write(path, bytes);
    },
    replace: write,
    remove: (path) => rm(join(directory, checked(path)), { force: true }),
  };
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync();
}

function sameOrConflict(path: string, existing: Uint8Array, bytes: Uint8Array): void {
  if (Buffer.compare(existing, bytes) === 0) return;
  throw new AuditLogError('tile_conflict', `${path} exists with other bytes, and tiles never change`, {
    file: path,
  });
}

/** No path but those of the specification reaches the disk, so none can leave the folder. */
function checked(path: string): string {
  if (path === CHECKPOINT_PATH || parseTilePath(path) !== undefined) return path;
  throw new RangeError(`not a path of a tiled log: ${JSON.stringify(path.slice(0, 200))}`);
}
