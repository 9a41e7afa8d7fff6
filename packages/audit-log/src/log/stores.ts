/** Tile stores: in memory, and as a folder laid out as the C2SP paths say, servable as it is. */
import { open, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeDurableFolder, syncFolder } from '../durable-folder.ts';
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

/** Files under the folder `path`, mode 0600 in folders of mode 0700. One writer at a time. */
export function fileTileStore(path: string): TileStore {
  const directory = resolve(path);
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

  /** Level by level, each once: one that is there may have been made by a process that was killed before its sync. */
  async function makeFolder(folder: string): Promise<void> {
    if (knownFolders.has(folder)) return;
    if (folder !== directory) await makeFolder(dirname(folder));
    await makeDurableFolder(folder);
    knownFolders.add(folder);
  }

  /** The folder of partial tiles goes with the last of them. */
  async function remove(path: string): Promise<void> {
    const file = join(directory, checked(path));
    await rm(file, { force: true });
    const folder = dirname(file);
    if (!folder.endsWith('.p')) return;
    knownFolders.delete(folder);
    await rmdir(folder).catch(() => undefined); // others are in it, or it is gone
  }

  return {
    read,
    async create(path, bytes) {
      const existing = await read(path);
      if (existing !== undefined) return sameOrConflict(path, existing, bytes);
      await write(path, bytes);
    },
    replace: write,
    remove,
  };
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
