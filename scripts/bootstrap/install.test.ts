import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureInstalled } from './install.mjs';
import { readStamp } from './stamp.mjs';

let root: string;
let said: string[];
let installs: number;

const say = (line: string): number => said.push(line);
const tools = ['node', 'pnpm', 'turbo', 'vitest'];

async function install(): Promise<{ code: number; output: string }> {
  installs += 1;
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
  for (const tool of tools) writeFileSync(join(root, 'node_modules/.bin', tool), '');
  return { code: 0, output: '' };
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-install-'));
  said = [];
  installs = 0;
  writeFileSync(join(root, 'package.json'), '{"packageManager":"pnpm@1.2.3"}');
  writeFileSync(join(root, 'pnpm-lock.yaml'), 'lock');
  writeFileSync(join(root, 'pnpm-workspace.yaml'), 'packages:\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('ensureInstalled', () => {
  test('installs once and not again', async () => {
    expect(await ensureInstalled({ root, say, install })).toEqual({ ok: true, changed: true });
    expect(await ensureInstalled({ root, say, install })).toEqual({ ok: true, changed: false });
    expect(installs).toBe(1);
    expect(said[0]).toContain('not installed yet: installing with pnpm 1.2.3');
    expect(said[1]).toMatch(/^installed in \d+\.\d s$/);
  });

  test('installs again when the lock file changed', async () => {
    await ensureInstalled({ root, say, install });
    writeFileSync(join(root, 'pnpm-lock.yaml'), 'other');
    expect(await ensureInstalled({ root, say, install })).toEqual({ ok: true, changed: true });
  });

  test('installs again when a tool is gone', async () => {
    await ensureInstalled({ root, say, install });
    rmSync(join(root, 'node_modules/.bin/turbo'));
    expect(await ensureInstalled({ root, say, install })).toEqual({ ok: true, changed: true });
  });

  test('installs once when several start at the same time', async () => {
    const slow = async (): Promise<{ code: number; output: string }> => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return install();
    };
    const results = await Promise.all([1, 2, 3].map(() => ensureInstalled({ root, say, install: slow })));
    expect(results.filter((result) => result.ok && result.changed)).toHaveLength(1);
    expect(installs).toBe(1);
  });

  const failures: readonly [string, number | null, string, string][] = [
    ['no network', 1, 'npm error code EAI_AGAIN', 'could not be reached'],
    ['a stale lock file', 1, 'ERR_PNPM_OUTDATED_LOCKFILE', 'npx pnpm install'],
    ['a full disk', 1, 'ENOSPC: no space left on device', 'the disk is full'],
    ['anything else', null, '', 'the messages above say why'],
  ];
  for (const [what, code, output, advice] of failures)
    test(`says what to do after ${what}, and leaves no stamp`, async () => {
      const result = await ensureInstalled({ root, say, install: async () => ({ code, output }) });
      expect(result).toMatchObject({ ok: false, problem: expect.stringContaining(advice) as string });
      expect(readStamp(root)).toBeUndefined();
    });

  test('does not believe an install that left something out', async () => {
    const result = await ensureInstalled({ root, say, install: async () => ({ code: 0, output: '' }) });
    expect(result).toMatchObject({ ok: false, problem: expect.stringContaining('is missing') as string });
    expect(readStamp(root)).toBeUndefined();
  });

  test('forgets an earlier stamp when a later install fails', async () => {
    await ensureInstalled({ root, say, install });
    writeFileSync(join(root, 'pnpm-lock.yaml'), 'other');
    await ensureInstalled({ root, say, install: async () => ({ code: 1, output: '' }) });
    writeFileSync(join(root, 'pnpm-lock.yaml'), 'lock');
    expect(readStamp(root)).toBeUndefined();
  });
});
