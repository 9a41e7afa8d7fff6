import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { secretHeader, type SecretHeader } from './secret-header.ts';

let folder: string;
let secretFile: string;
let problems: string[];
let header: SecretHeader;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  folder = await mkdtemp(join(tmpdir(), 'sallyport-secret-'));
  secretFile = join(folder, 'token');
  problems = [];
  await writeFile(secretFile, 'first\n');
  header = secretHeader({ header: 'X-Token', secretFile }, (problem) => void problems.push(problem));
});
afterEach(async () => {
  header[Symbol.dispose]();
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

test('another secret in the file is used without a restart', async () => {
  expect(header.headers()).toEqual({ 'X-Token': 'first' });
  await writeFile(secretFile, 'second');
  vi.advanceTimersByTime(30_000);
  await expect.poll(() => header.headers()['X-Token']).toBe('second');
});

test.each([
  ['is gone', () => rm(secretFile)],
  ['holds nothing', () => writeFile(secretFile, '')],
  ['holds two lines', () => writeFile(secretFile, 'a\nb')],
])('while the file %s, the last secret stays, and it is said', async (_, damage) => {
  await damage();
  vi.advanceTimersByTime(30_000);
  await expect.poll(() => problems).toHaveLength(1);
  expect(header.headers()).toEqual({ 'X-Token': 'first' });
  expect(problems.join()).not.toContain('first');
});

test('it does not show itself', () => {
  expect(inspect(header, { depth: 9 }) + JSON.stringify(header)).not.toContain('first');
});
