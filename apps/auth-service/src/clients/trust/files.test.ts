import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diskFiles } from './files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

it('is what is in the file', async () => {
  await writeFile(at('plain'), 'some octets');
  expect(Buffer.from(await diskFiles.read(at('plain'))).toString()).toBe('some octets');
  await writeFile(at('empty'), '');
  expect((await diskFiles.read(at('empty'))).length).toBe(0);
});

it.each<[string, (path: string) => unknown, RegExp]>([
  // Nobody writes into it: whoever reads would wait for ever.
  ['pipe', (path) => execFileSync('mkfifo', [path]), /not a file/u],
  ['folder', (path) => mkdir(path), /not a file/u],
  ['device', (path) => symlink('/dev/zero', path), /not a file/u],
  [
    'file beyond the bound',
    async (path) => (await writeFile(path, ''), truncate(path, 2 ** 26 + 1)),
    /more than/u,
  ],
])('is not a %s', async (name, make, problem) => {
  await make(at(name));
  await expect(diskFiles.read(at(name))).rejects.toThrow(problem);
});

it('is another version with as many octets and the time of before', async () => {
  await writeFile(at('list'), 'one');
  const time = new Date(1_000_000_000);
  await utimes(at('list'), time, time);
  const before = await diskFiles.version(at('list'));
  expect(await diskFiles.version(at('list'))).toBe(before);
  await new Promise((resolve) => setTimeout(resolve, 20));
  await writeFile(at('list'), 'two');
  await utimes(at('list'), time, time);
  expect(await diskFiles.version(at('list'))).not.toBe(before);
});

it('is another version behind a link that leads elsewhere', async () => {
  await writeFile(at('first'), 'same');
  await writeFile(at('second'), 'same');
  await symlink(at('first'), at('link'));
  const before = await diskFiles.version(at('link'));
  await symlink(at('second'), at('next'));
  await rename(at('next'), at('link'));
  expect(await diskFiles.version(at('link'))).not.toBe(before);
});
