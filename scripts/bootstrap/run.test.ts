import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

/** A parent that runs `program` in the foreground, as the bootstrap runs Sallyport. */
function start(program: string): ChildProcess {
  const parent = `
    import { runInForeground } from ${JSON.stringify(new URL('./run.mjs', import.meta.url).href)};
    await runInForeground(process.execPath, ['-e', ${JSON.stringify(program)}]);
  `;
  return spawn(process.execPath, ['--input-type=module', '-e', parent], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstOutput(parent: ChildProcess): Promise<string> {
  const [chunk] = (await once(parent.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return chunk.toString().trim();
}

for (const code of [0, 2, 41])
  test(`mirrors exit code ${code}`, async () => {
    expect(await once(start(`process.exit(${code})`), 'exit')).toEqual([code, null]);
  });

test('mirrors death by a signal', async () => {
  const parent = start("process.kill(process.pid, 'SIGKILL')");
  expect(await once(parent, 'exit')).toEqual([null, 'SIGKILL']);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  test(`forwards ${signal} and waits for a clean end`, async () => {
    const parent = start(`
      process.on('${signal}', () => setTimeout(() => process.exit(7), 20));
      setInterval(() => {}, 1000);
      console.log(process.pid);
    `);
    const child = Number(await firstOutput(parent));
    parent.kill(signal);
    expect(await once(parent, 'exit')).toEqual([7, null]);
    expect(() => process.kill(child, 0)).toThrow('ESRCH');
  });

test('ends by the signal when the child does not handle it', async () => {
  const parent = start('setInterval(() => {}, 1000); console.log(process.pid)');
  await firstOutput(parent);
  parent.kill('SIGTERM');
  expect(await once(parent, 'exit')).toEqual([null, 'SIGTERM']);
});

test('ends the child when the npm that started it was killed outright', async () => {
  const program = 'setInterval(() => {}, 1000); console.log(process.pid)';
  const parent = `
    import { runInForeground } from ${JSON.stringify(new URL('./run.mjs', import.meta.url).href)};
    await runInForeground(process.execPath, ['-e', ${JSON.stringify(program)}]);
  `;
  // The shell stands for npm. Its second command keeps it from handing its place to the first.
  const npm = spawn('sh', ['-c', '"$0" --input-type=module -e "$1"; true', process.execPath, parent], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, npm_lifecycle_event: 'start' },
  });
  const child = Number(await firstOutput(npm));
  npm.kill('SIGKILL');
  await expect.poll(() => isRunning(child), { timeout: 5_000 }).toBe(false);
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
