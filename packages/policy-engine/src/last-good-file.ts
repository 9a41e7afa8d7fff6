/** LastGoodStore in one file: written aside, flushed, moved into place, its folder flushed. A crash leaves old or new. */

import { open, rename, stat, readFile, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LastGoodStore } from './holder.ts';

/** The folder must exist. Reads resolve to undefined when the file does not; other failures reject. */
export function fileLastGoodStore(path: string): LastGoodStore {
  return {
    async read() {
      try {
        const [bytes, { mtimeMs }] = await Promise.all([readFile(path), stat(path)]);
        return { bytes: new Uint8Array(bytes), storedAtMs: mtimeMs };
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(bytes) {
      const aside = `${path}.new`;
      {
        await using file = await open(aside, 'w', 0o600);
        await file.writeFile(bytes);
        await file.sync();
      }
      await rename(aside, path);
      await using folder = await open(dirname(path), 'r');
      await folder.sync();
    },
    touch: (atMs) => utimes(path, atMs / 1_000, atMs / 1_000),
  };
}
