import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLogLines } from './log-lines.ts';

const warning =
  '{"level":"warn","time":"T","service":"gateway","task":"x","error":{"message":"gone","stack":["at"]},"message":"upkeep failed"}';
const fatal = '{"level":"fatal","time":"T","service":"gateway","message":"cannot start"}';
const noise = 'not of our log';

async function written(raw: boolean, isRunning: boolean): Promise<{ shown: string[]; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-log-'));
  const shown: string[] = [];
  const replica = {
    service: 'gateway',
    number: 2,
    name: 'gateway-2',
    folder,
    configFile: '',
    port: 1,
    probesPort: 1,
  } as const;
  const lines = await openLogLines(replica, {
    isRunning: () => isRunning,
    raw,
    show: (text) => shown.push(text),
  });
  for (const line of [warning, fatal, noise]) lines.write(line);
  await lines[Symbol.asyncDispose]();
  const file = await readFile(join(folder, 'service.log'), 'utf8');
  await rm(folder, { recursive: true });
  return { shown, file };
}

test('a person reads who, what and why; the file has everything', async () => {
  const { shown, file } = await written(false, true);
  expect(shown).toEqual([
    '[gateway-2] warn: upkeep failed (task=x): gone',
    '[gateway-2] fatal: cannot start',
    '[gateway-2] not of our log',
  ]);
  expect(file).toBe(`${warning}\n${fatal}\n${noise}\n`);
});

test('while processes wait for one another only what is fatal is shown, and all is kept', async () => {
  const { shown, file } = await written(false, false);
  expect(shown).toEqual(['[gateway-2] fatal: cannot start', '[gateway-2] not of our log']);
  expect(file).toContain(warning);
});

test('a machine gets the lines as they are', async () => {
  expect((await written(true, true)).shown).toEqual([warning, fatal, noise]);
});
