import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  firstMissing,
  pinnedPackageManager,
  readStamp,
  removeStamp,
  stampOf,
  workspaceFolders,
  writeStamp,
} from './stamp.mjs';

let root: string;

function write(path: string, content: string): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), content);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-stamp-'));
  write('package.json', '{"packageManager":"pnpm@1.2.3","devDependencies":{"node":"24.0.0"}}');
  write('pnpm-lock.yaml', 'lock');
  write(
    'pnpm-workspace.yaml',
    "packages:\n  # apps\n  - apps/*\n\n  - 'bench'\n  - gone\ncatalog:\n  - not/this\n",
  );
  write('apps/one/package.json', '{"dependencies":{"left":"1"}}');
  write('apps/notes/README.md', 'no manifest here');
  write('bench/package.json', '{}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('workspaceFolders lists the root and every folder with a package.json', () => {
  expect(workspaceFolders(root)).toEqual(['', 'apps/one', 'bench']);
});

test('pinnedPackageManager reads the pin', () => {
  expect(pinnedPackageManager(root)).toEqual({ name: 'pnpm', version: '1.2.3' });
});

test('pinnedPackageManager refuses a manifest without an exact pin', () => {
  write('package.json', '{"packageManager":"pnpm@latest"}');
  expect(() => pinnedPackageManager(root)).toThrow('"packageManager" must read pnpm@<version>');
});

describe('stampOf', () => {
  test('is the same for the same files', () => {
    expect(stampOf(root)).toBe(stampOf(root));
    expect(stampOf(root)).toMatch(/^[0-9a-f]{64}$/);
  });

  const changes: readonly [string, () => unknown][] = [
    ['the lock file', () => write('pnpm-lock.yaml', 'lock 2')],
    ['the workspace file', () => write('pnpm-workspace.yaml', 'packages:\n  - apps/*\n  - bench\n')],
    [
      'the pinned Node',
      () => write('package.json', '{"packageManager":"pnpm@1.2.3","devDependencies":{"node":"24.0.1"}}'),
    ],
    ["a package's manifest", () => write('apps/one/package.json', '{"dependencies":{"left":"2"}}')],
    ['a new package', () => write('apps/two/package.json', '{}')],
  ];
  for (const [what, change] of changes)
    test(`changes with ${what}`, () => {
      const before = stampOf(root);
      change();
      expect(stampOf(root)).not.toBe(before);
    });

  test('changes with platform and architecture', () => {
    const stamps = [
      stampOf(root, { platform: 'linux', arch: 'x64' }),
      stampOf(root, { platform: 'linux', arch: 'arm64' }),
      stampOf(root, { platform: 'darwin', arch: 'arm64' }),
    ];
    expect(new Set(stamps).size).toBe(3);
  });
});

test('firstMissing names the dependency that is not there, then the tool', () => {
  for (const name of ['node']) write(`node_modules/${name}/package.json`, '{}');
  expect(firstMissing(root)).toBe(join('apps/one/node_modules/left/package.json'));
  write('apps/one/node_modules/left/package.json', '{}');
  expect(firstMissing(root)).toBe(join('node_modules/.bin/node'));
  for (const tool of ['node', 'pnpm', 'turbo', 'vitest']) write(`node_modules/.bin/${tool}`, '');
  expect(firstMissing(root)).toBeUndefined();
});

test('a stamp is read back until it is removed', () => {
  mkdirSync(join(root, 'node_modules'));
  expect(readStamp(root)).toBeUndefined();
  writeStamp(root, 'abc');
  expect(readStamp(root)).toBe('abc');
  removeStamp(root);
  expect(readStamp(root)).toBeUndefined();
});
