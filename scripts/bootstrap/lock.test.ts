import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processIdentity, withLock } from './lock.mjs';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('runs one piece of work at a time and keeps one file', async () => {
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 10 }, () => withLock({ directory, pollMs: 1 }, work)));
  expect(most).toBe(1);
  expect(readdirSync(directory)).toEqual(['10.lock']);
});

test('releases after a failure', async () => {
  await expect(withLock({ directory }, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await withLock({ directory }, async () => 'next')).toBe('next');
});

test('takes over from a holder that died', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  writeFileSync(join(directory, '1.lock'), `${child.pid}`);
  expect(await withLock({ directory }, async () => 'taken')).toBe('taken');
});

test('takes over from another process that had the same number', async () => {
  writeFileSync(join(directory, '1.lock'), `${process.pid} 1 an-earlier-boot`);
  expect(await withLock({ directory }, async () => 'taken')).toBe('taken');
});

// Processes, not promises: within one process the steps of an acquisition cannot interleave.
test('processes never hold it together, even when holders are killed', { timeout: 30_000 }, async () => {
  const log = join(directory, 'log');
  writeFileSync(log, '');
  const program = `
    import { withLock } from ${JSON.stringify(new URL('./lock.mjs', import.meta.url).href)};
    import { appendFileSync } from 'node:fs';
    for (let round = 0; round < 5; round += 1)
      await withLock({ directory: ${JSON.stringify(join(directory, 'locks'))}, pollMs: 1 }, async () => {
        appendFileSync(${JSON.stringify(log)}, 'in ' + process.pid + '\\n');
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (round === 4 && process.argv[1] === 'die') process.kill(process.pid, 'SIGKILL');
        appendFileSync(${JSON.stringify(log)}, 'out ' + process.pid + '\\n');
      });
  `;
  const children = Array.from({ length: 6 }, (_, index) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, index % 2 === 0 ? 'die' : 'live'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  await Promise.all(children.map((child) => once(child, 'exit')));
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  expect(lines.filter((line) => line.startsWith('in '))).toHaveLength(30);
  for (const [index, line] of lines.entries())
    if (line.startsWith('out ')) expect(lines[index - 1]).toBe(line.replace('out', 'in'));
});

test('processIdentity tells a live process from a dead one', async () => {
  expect(processIdentity(process.pid)).toMatch(new RegExp(`^${process.pid}\\b`));
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  expect(processIdentity(child.pid ?? 0)).toBeUndefined();
});
