/** The files of trust domains on disk, looked at again and again. */
import { readFile, stat } from 'node:fs/promises';

export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Another text when the file is another, or was written to. */
  version(path: string): Promise<string>;
}

const MAX_BYTES = 64 * 1024 * 1024;

export const diskFiles: Files = {
  async read(path) {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw new TypeError(`${path}: more than ${MAX_BYTES} octets`);
    return new Uint8Array(await readFile(path));
  },
  async version(path) {
    // By the name's target: a mounted configuration changes by a new link.
    const { ino, size, mtimeMs } = await stat(path);
    return `${ino} ${size} ${mtimeMs}`;
  },
};
