import { constants } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@sallyport/crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeSpoolFs } from './node-fs.ts';

let path: string;

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'spool-fs-')), 'file');
});
afterEach(() => rm(join(path, '..'), { recursive: true }));

describe('a file of the spool', () => {
  it.runIf(platform() === 'linux')('is open for writes that return when they are durable', async () => {
    const file = await nodeSpoolFs().create(path);
    expect((await openFlags(path)) & constants.O_DSYNC).toBe(constants.O_DSYNC);
    await file.close();
  });

  it.each(['linux', 'darwin'])('is emptied, then written where it is told (%s)', async (system) => {
    const { create } = nodeSpoolFs(system);
    for (const text of ['much longer than what follows', 'ab']) {
      const file = await create(path);
      await file.write(utf8(text), 0);
      if (text === 'ab') await file.write(utf8('cd'), 4);
      if (text === 'ab') await file.write(utf8('B'), 1);
      await file.close();
    }
    expect(await readFile(path, 'utf8')).toBe('aB\0\0cd');
  });

  it.runIf(platform() === 'linux').each(['linux', 'darwin'])(
    'rejects on a full disk (%s)',
    async (system) => {
      const file = await nodeSpoolFs(system).create('/dev/full'); // full(4)
      await expect(file.write(utf8('a'), 0)).rejects.toMatchObject({ code: 'ENOSPC' });
      await file.close();
    },
  );

  it('rejects a write after its close', async () => {
    const file = await nodeSpoolFs().create(path);
    await file.close();
    await expect(file.write(utf8('a'), 0)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
  });
});

/** The flags of this process's descriptor of the file, as proc_pid_fdinfo(5) gives them. */
async function openFlags(of: string): Promise<number> {
  for (const fd of await readdir('/proc/self/fd')) {
    if ((await readlink(`/proc/self/fd/${fd}`).catch(() => '')) !== of) continue;
    const [, octal = ''] =
      /^flags:\s+([0-7]+)$/m.exec(await readFile(`/proc/self/fdinfo/${fd}`, 'utf8')) ?? [];
    return Number.parseInt(octal, 8);
  }
  throw new Error(`${of} is not open`);
}
