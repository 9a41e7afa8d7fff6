/** A state folder of its own for a test, removed with it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateHome, type Home } from '../../src/state/home.ts';

export type TemporaryHome = Home & AsyncDisposable;

/** `portBase` defaults to one where nothing is expected to listen; nothing is bound. */
export async function temporaryHome(portBase = 1): Promise<TemporaryHome> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  const home = locateHome({}, { home: folder, portBase: String(portBase) });
  return {
    ...home,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
