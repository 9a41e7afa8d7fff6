/**
 * PGlite's folder storage with real durability.
 *
 * As shipped, PGlite runs Postgres with `fsync = off`, and its file system answers `fdatasync` without doing anything:
 * a committed row survives the death of the process but not of the machine. Here `fsync` reaches the disk, and Postgres
 * is told to use it (`durableStartParams`): one flush per commit, about 0.3 ms on an SSD.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { PGlite } from '@electric-sql/pglite';

type InitParameters = Parameters<NodeFS['init']>;

/** The part of Emscripten's node file system used here; its typings leave it open. */
interface NodeStreams {
  readonly stream_ops: { fsync?: (stream: { readonly nfd?: number; readonly node: object }) => number };
  realPath(node: object): string;
}

export class DurableNodeFs extends NodeFS {
  override async init(pg: InitParameters[0], options: InitParameters[1]): ReturnType<NodeFS['init']> {
    const initialised = await super.init(pg, options);
    const preRun = initialised.emscriptenOpts.preRun ?? [];
    return {
      emscriptenOpts: {
        ...initialised.emscriptenOpts,
        preRun: [...preRun, (module: { readonly NODEFS: unknown }) => addFsync(module.NODEFS as NodeStreams)],
      },
    };
  }
}

function addFsync(fileSystem: NodeStreams): void {
  fileSystem.stream_ops.fsync = (stream) => {
    if (stream.nfd === undefined) syncFolder(fileSystem.realPath(stream.node));
    else fdatasyncSync(stream.nfd);
    return 0;
  };
}

/** Makes creations and renames inside `path` durable. */
export function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a folder and everything in it durable, as `initdb` does with what it made. */
export function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) syncTree(inside);
    else if (entry.isFile()) syncFile(inside);
  }
  syncFolder(path);
}

function syncFile(path: string): void {
  const descriptor = openSync(path, 'r+');
  try {
    fdatasyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * PGlite's own parameters without `-F` (fsync off) and `-O` (changes to system tables allowed). `wal_sync_method` must be
 * `fsync`: the default, `fdatasync`, is the call that does nothing.
 */
export const durableStartParams: readonly string[] = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F' && parameter !== '-O'),
  ...['-c', 'fsync=on', '-c', 'wal_sync_method=fsync'],
];
