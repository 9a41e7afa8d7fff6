import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileRootKey } from '../../src/root/file.ts';
import { memoryRootKey } from '../support.ts';
import { rootKeyContract } from './root-key.ts';

rootKeyContract('memory', async () => ({
  root: memoryRootKey(),
  other: memoryRootKey(),
  [Symbol.asyncDispose]: async () => undefined,
}));

rootKeyContract('file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'root-key-'));
  return {
    root: await openFileRootKey(join(folder, 'one'), { createIfMissing: true }),
    other: await openFileRootKey(join(folder, 'other'), { createIfMissing: true }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
});
