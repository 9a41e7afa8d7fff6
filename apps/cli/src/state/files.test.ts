import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryHome } from '../../test/support/temporary-home.ts';
import { readIfPresent, writePrivate } from './files.ts';

const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

test('a written file and its folder are the owner’s alone, and no draft stays', async () => {
  await using home = await temporaryHome();
  const file = join(home.folder, 'deep', 'secret');
  await writePrivate(file, 'x');
  expect([await modeOf(file), await modeOf(join(home.folder, 'deep'))]).toEqual(['600', '700']);
  expect(await readdir(join(home.folder, 'deep'))).toEqual(['secret']);
});

test('a file that was open to others is replaced by one that is not', async () => {
  await using home = await temporaryHome();
  const file = join(home.folder, 'secret');
  await writeFile(file, 'old', { mode: 0o666 });
  await writePrivate(file, 'new');
  expect([await readFile(file, 'utf8'), await modeOf(file)]).toEqual(['new', '600']);
});

test('a missing file reads as undefined; what cannot be read throws', async () => {
  await using home = await temporaryHome();
  await mkdir(join(home.folder, 'folder'));
  expect(await readIfPresent(join(home.folder, 'none'))).toBeUndefined();
  await expect(readIfPresent(join(home.folder, 'folder'))).rejects.toThrow(/EISDIR/);
});
