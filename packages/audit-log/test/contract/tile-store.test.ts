import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fileTileStore, memoryTileStore } from '../../src/index.ts';
import { tileStoreContract } from './tile-store.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tiles-'));
});
afterAll(() => rm(root, { recursive: true }));

tileStoreContract('memory', async () => memoryTileStore());
tileStoreContract('folder', async () => fileTileStore(join(await mkdtemp(join(root, 'store-')), 'log')));

it('the folder has the layout of the specification, for the owner only, and no leftovers', async () => {
  const directory = join(await mkdtemp(join(root, 'layout-')), 'log');
  const store = fileTileStore(directory);
  await store.create('tile/0/x001/x234/067.p/8', Uint8Array.of(1));
  await store.replace('tile/0/x001/x234/067.p/8', Uint8Array.of(2));
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  expect(files.map((entry) => join(entry.parentPath, entry.name))).toEqual([
    join(directory, 'tile/0/x001/x234/067.p/8'),
  ]);
  expect((await stat(join(directory, 'tile/0/x001/x234/067.p/8'))).mode & 0o777).toBe(0o600);
  expect((await stat(join(directory, 'tile/0'))).mode & 0o777).toBe(0o700);
  await store.create('tile/0/x001/x234/067.p/9', Uint8Array.of(1));
  await store.remove('tile/0/x001/x234/067.p/8');
  expect(await readdir(join(directory, 'tile/0/x001/x234'))).toEqual(['067.p']);
  await store.remove('tile/0/x001/x234/067.p/9'); // a full tile has none: no empty folder for each of them
  expect(await readdir(join(directory, 'tile/0/x001/x234'))).toEqual([]);
  await store.create('tile/0/x001/x234/067.p/9', Uint8Array.of(1));
  expect(await store.read('tile/0/x001/x234/067.p/9')).toEqual(Uint8Array.of(1));
});
