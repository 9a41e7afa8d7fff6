/** The spool's file operations on Node, all asynchronous. */
import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { makeDurableFolder, syncFolder } from '../durable-folder.ts';
import type { SpoolFile, SpoolFs } from './types.ts';

export function nodeSpoolFs(): SpoolFs {
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
      return spoolFile(await open(path, 'w', 0o600));
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

function spoolFile(file: FileHandle): SpoolFile {
  return {
    async append(bytes) {
      let written = 0;
      while (written < bytes.length) {
        written += (await file.write(bytes, written, bytes.length - written, null)).bytesWritten;
      }
    },
    sync: () => file.datasync(),
    close: () => file.close(),
  };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
