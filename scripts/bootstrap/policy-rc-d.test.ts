import { spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { forbidDaemonStarts } from './policy-rc-d.mjs';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-policy-'));
  file = join(folder, 'policy-rc.d');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const asked = (): number | null => spawnSync(file, ['redis-server', 'start']).status;

test('forbids starts, then leaves nothing', () => {
  const allow = forbidDaemonStarts(file);
  expect(asked()).toBe(101);
  allow();
  expect(readdirSync(folder)).toEqual([]);
});

test('a policy that was there comes back as it was', () => {
  writeFileSync(file, '#!/bin/sh\nexit 104\n', { mode: 0o750 });
  const allow = forbidDaemonStarts(file);
  expect(asked()).toBe(101);
  allow();
  expect(asked()).toBe(104);
  expect(statSync(file).mode & 0o777).toBe(0o750);
  expect(readdirSync(folder)).toEqual(['policy-rc.d']);
});

test('one that is a symbolic link, even to nowhere, comes back as the link', () => {
  symlinkSync('/nowhere', file);
  forbidDaemonStarts(file)();
  expect(() => readFileSync(file)).toThrow('ENOENT');
  expect(readdirSync(folder)).toEqual(['policy-rc.d']);
});

test('what a killed run left is put right by the next', () => {
  writeFileSync(file, 'theirs', { mode: 0o755 });
  forbidDaemonStarts(file); // and is killed
  const allow = forbidDaemonStarts(file);
  expect(asked()).toBe(101);
  allow();
  expect(readFileSync(file, 'utf8')).toBe('theirs');
  expect(readdirSync(folder)).toEqual(['policy-rc.d']);
});

test('a killed run without a policy before it leaves none', () => {
  forbidDaemonStarts(file); // and is killed
  forbidDaemonStarts(file)();
  expect(readdirSync(folder)).toEqual([]);
});

test('a policy that appeared since a killed run is not overwritten', () => {
  writeFileSync(file, 'old', { mode: 0o755 });
  forbidDaemonStarts(file); // and is killed
  writeFileSync(file, 'new');
  expect(() => forbidDaemonStarts(file)).toThrow('both exist');
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(readFileSync(`${file}.before-sallyport`, 'utf8')).toBe('old');
});
