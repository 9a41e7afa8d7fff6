/** The files of trust domains on disk, looked at again and again. */
import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';

export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Another text when the file is another, or was written to. */
  version(path: string): Promise<string>;
}

const MAX_BYTES = 64 * 1024 * 1024;

export const diskFiles: Files = {
  async read(path) {
    // Not to wait for the other end of a pipe that somebody put there.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await file.stat();
    if (!found.isFile()) throw new TypeError(`${path}: not a file`);
    if (found.size > MAX_BYTES) throw new TypeError(`${path}: more than ${MAX_BYTES} octets`);
    const octets = new Uint8Array(found.size + 1);
    let length = 0;
    while (length < octets.length) {
      const { bytesRead } = await file.read(octets, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length !== found.size) throw new TypeError(`${path}: is being written to`);
    return octets.subarray(0, length);
  },
  async version(path) {
    // By the name's target: a mounted configuration changes by a new link. A copy may keep the time of writing.
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  },
};
