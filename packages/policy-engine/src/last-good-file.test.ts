import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileLastGoodStore } from './last-good-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-last-good-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('nothing stored reads as undefined', async () => {
  expect(await fileLastGoodStore(join(folder, 'bundle')).read()).toBeUndefined();
});

test('what was written last is read, with its time, by its owner alone', async () => {
  const path = join(folder, 'bundle');
  const before = Date.now();
  await fileLastGoodStore(path).write(Uint8Array.of(1, 2, 3));
  await fileLastGoodStore(path).write(Uint8Array.of(4));
  const stored = await fileLastGoodStore(path).read();
  expect(stored?.bytes).toEqual(Uint8Array.of(4));
  expect(stored?.storedAtMs).toBeGreaterThan(before - 5000);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['bundle']);
});

test('what a crash left aside is neither read nor in the way', async () => {
  const path = join(folder, 'bundle');
  await fileLastGoodStore(path).write(Uint8Array.of(1));
  await writeFile(`${path}.new`, 'half');
  expect((await fileLastGoodStore(path).read())?.bytes).toEqual(Uint8Array.of(1));
  await fileLastGoodStore(path).write(Uint8Array.of(2));
  expect((await fileLastGoodStore(path).read())?.bytes).toEqual(Uint8Array.of(2));
});

test('a folder that is not there rejects the write, not the read', async () => {
  const store = fileLastGoodStore(join(folder, 'missing', 'bundle'));
  await expect(store.write(Uint8Array.of(1))).rejects.toThrow(/ENOENT/);
  expect(await store.read()).toBeUndefined();
});

test('a path that cannot be read rejects', async () => {
  await expect(fileLastGoodStore(folder).read()).rejects.toThrow(/EISDIR/);
});
