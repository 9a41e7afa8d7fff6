import { chmod, lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes, utf8 } from '@sallyport/crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFileRootKey, RootKeyError } from './file.ts';

const context = utf8('some context');
const secret = utf8('a key in the clear, 32 bytes long');

describe('root key file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'root-key-'));
    path = join(folder, 'root.key');
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const refusal = async (createIfMissing = true) => {
    try {
      await openFileRootKey(path, { createIfMissing });
    } catch (error) {
      if (error instanceof RootKeyError) return error;
      throw error;
    }
    throw new Error('the root key was opened');
  };

  it('is made once: 32 bytes that only the owner reaches, and no draft beside it', async () => {
    const first = await openFileRootKey(path, { createIfMissing: true });
    const { mode, size } = await lstat(path);
    expect([(mode & 0o777).toString(8), size]).toEqual(['600', 32]);
    expect(await readdir(folder)).toEqual(['root.key']);
    const before = await readFile(path);
    const second = await openFileRootKey(path, { createIfMissing: true });
    expect(await readFile(path)).toEqual(before);
    expect(await second.unwrap(await first.wrap(secret, context), context)).toEqual(secret);
  });

  it('is one key when several processes start at the same time', async () => {
    const roots = await Promise.all(
      Array.from({ length: 6 }, () => openFileRootKey(path, { createIfMissing: true })),
    );
    const wrapped = await roots[0]?.wrap(secret, context);
    for (const root of roots) expect(await root.unwrap(wrapped ?? new Uint8Array(), context)).toEqual(secret);
    expect(await readdir(folder)).toEqual(['root.key']);
  });

  it('is not made anew when the database holds keys', async () => {
    const error = await refusal(false);
    expect(error.kind).toBe('missing');
    expect(error.message).toContain('Restore the file');
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])('is refused with mode %o', async (mode) => {
    await writeFile(path, randomBytes(32));
    await chmod(path, mode);
    const error = await refusal();
    expect(error.kind).toBe('permissions');
    expect(error.message).toContain('chmod 600');
  });

  it.each([0, 1, 31, 33, 64])('is refused with %i bytes, and left as it is', async (length) => {
    const content = randomBytes(length);
    await writeFile(path, content, { mode: 0o600 });
    expect((await refusal()).kind).toBe('length');
    expect(Uint8Array.from(await readFile(path))).toEqual(content);
  });

  it('is refused as a symbolic link', async () => {
    await writeFile(join(folder, 'elsewhere'), randomBytes(32), { mode: 0o600 });
    await symlink(join(folder, 'elsewhere'), path);
    expect((await refusal()).kind).toBe('not_a_file');
  });

  it('is refused as a dangling symbolic link, whose target is not made', async () => {
    await symlink(join(folder, 'elsewhere'), path);
    expect((await refusal()).kind).toBe('not_a_file');
    expect(await readdir(folder)).toEqual(['root.key']);
  });

  it('is refused as a folder', async () => {
    await mkdir(path, { mode: 0o700 });
    expect((await refusal()).kind).toBe('not_a_file');
  });

  it('never shows its bytes in a refusal', async () => {
    const content = utf8('canary-root-key-with-33-bytes-in!');
    await writeFile(path, content, { mode: 0o600 });
    const error = await refusal();
    expect(`${error.message} ${JSON.stringify(error)} ${error.stack}`).not.toContain('canary');
  });
});
