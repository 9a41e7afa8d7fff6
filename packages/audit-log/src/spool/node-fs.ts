/** The spool's file operations on Node, all asynchronous. */
import { constants, fdatasync, write } from 'node:fs';
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { platform } from 'node:os';
import { makeDurableFolder, syncFolder } from '../durable-folder.ts';
import type { SpoolFile, SpoolFs } from './types.ts';

const NEW_FILE = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY;

/**
 * On Linux a write to a file opened with O_DSYNC returns when an fdatasync after it would have (open(2)): one call in a
 * thread of the pool instead of two. Elsewhere the flag may stop short of the drive's cache (macOS), and fdatasync follows.
 */
export function nodeSpoolFs(system: string = platform()): SpoolFs {
  const writesAreSynced = system === 'linux';
  return {
    makeDirectory: makeDurableFolder,
    list: (path) => readdir(path),
    async readFile(path) {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async create(path) {
      const flags = writesAreSynced ? NEW_FILE | constants.O_DSYNC : NEW_FILE;
      return spoolFile(await open(path, flags, 0o600), writesAreSynced);
    },
    async readAt(path, offset, length) {
      await using file = await open(path, 'r');
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    rename,
    remove: (path) => rm(path, { force: true }),
    syncDirectory: syncFolder,
  };
}

/** Callbacks, not the promises of `FileHandle`: an append waits for this, and those cost it a tenth more. */
function spoolFile(file: FileHandle, writesAreSynced: boolean): SpoolFile {
  return {
    write: (bytes, offset) =>
      new Promise((resolve, reject) => {
        const settle = (error: Error | null): void => (error === null ? resolve() : reject(error));
        const writeRest = (done: number): void =>
          write(file.fd, bytes, done, bytes.length - done, offset + done, (error, written) => {
            if (error !== null) settle(error);
            else if (done + written < bytes.length) writeRest(done + written);
            else if (writesAreSynced) settle(null);
            else fdatasync(file.fd, settle);
          });
        writeRest(0);
      }),
    close: () => file.close(),
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
