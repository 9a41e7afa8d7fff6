/**
 * The root key in a file: 32 random bytes, mode 0600, beside the data.
 *
 * It protects copies of the database, not the machine it lies on: for that there are the HSM and KMS providers of the
 * cluster profile. Rules: made once, whole or not at all; never overwritten; never used when others can read it.
 */
import { constants, type Stats } from 'node:fs';
import { link, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { randomBytes, secretKey, toHex } from '@sallyport/crypto';
import type { RootKey } from '../app/ports.ts';
import { softwareRootKey } from './software.ts';

const ROOT_KEY_BYTES = 32;

/** Says what is wrong with the root key file and what to do; the service must not start. */
export class RootKeyError extends Error {
  override readonly name = 'RootKeyError';
  readonly kind: 'missing' | 'unreadable' | 'not_a_file' | 'permissions' | 'owner' | 'length' | 'mismatch';

  constructor(kind: RootKeyError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/**
 * Opens the root key, or makes it when the file is missing and `createIfMissing` is set; leave it unset as soon as the
 * database holds anything wrapped. Throws `RootKeyError`.
 */
export async function openFileRootKey(
  path: string,
  options: { readonly createIfMissing: boolean },
): Promise<RootKey> {
  const existing = await readKey(path);
  if (existing !== undefined) return softwareRootKey(existing);
  if (!options.createIfMissing) {
    throw new RootKeyError(
      'missing',
      `${path}: the root key is missing, and the database holds keys that only it opens. Restore the file from its ` +
        'backup, mode 0600. A new root key would make every stored key useless, so none is made.',
    );
  }
  await createKeyFile(path);
  const created = await readKey(path);
  if (created === undefined)
    throw new RootKeyError('missing', `${path}: the root key vanished while being made`);
  return softwareRootKey(created);
}

/** The key, or undefined when there is no such file. */
async function readKey(path: string): Promise<KeyObject | undefined> {
  let file;
  try {
    // A symbolic link could point at what somebody else controls.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ELOOP') throw notAFile(path);
    throw new RootKeyError('unreadable', `${path}: the root key cannot be read (${codeOf(error)})`, {
      cause: error,
    });
  }
  try {
    inspect(path, await file.stat()); // of the opened file, so that nothing can be swapped in between
    const raw = new Uint8Array(ROOT_KEY_BYTES + 1);
    const { bytesRead } = await file.read(raw, 0, raw.length, 0);
    try {
      if (bytesRead !== ROOT_KEY_BYTES) {
        throw new RootKeyError(
          'length',
          `${path}: a root key is ${ROOT_KEY_BYTES} bytes, this file is not. Restore it from its backup.`,
        );
      }
      return secretKey(raw.subarray(0, ROOT_KEY_BYTES));
    } finally {
      raw.fill(0);
    }
  } finally {
    await file.close();
  }
}

function inspect(path: string, stats: Stats): void {
  if (!stats.isFile()) throw notAFile(path);
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw new RootKeyError(
      'permissions',
      `${path}: others may reach the root key (mode ${mode}). Run "chmod 600 ${path}", and consider who has read it.`,
    );
  }
  if (process.getuid !== undefined && stats.uid !== process.getuid()) {
    throw new RootKeyError('owner', `${path}: the root key belongs to another user (uid ${stats.uid})`);
  }
}

/** Makes the file under another name and links it into place: it is there whole or not at all, and never overwritten. */
async function createKeyFile(path: string): Promise<void> {
  const draft = `${path}.${toHex(randomBytes(8))}.new`;
  const raw = randomBytes(ROOT_KEY_BYTES);
  const file = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    try {
      await file.writeFile(raw);
      await file.sync();
    } finally {
      raw.fill(0);
      await file.close();
    }
    await link(draft, path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error; // another process made one: that one counts
    });
  } finally {
    await unlink(draft);
  }
  const folder = await open(dirname(path), constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function notAFile(path: string): RootKeyError {
  return new RootKeyError(
    'not_a_file',
    `${path}: the root key must be a regular file, not a link or a folder`,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
