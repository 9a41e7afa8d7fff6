/** A state folder of its own for a test, removed with it. */
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateHome, type Home } from '../../src/state/home.ts';

export type TemporaryHome = Home & AsyncDisposable;

export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** `portBase` defaults to one where nothing is expected to listen; nothing is bound. */
export async function temporaryHome(portBase = 1): Promise<TemporaryHome> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  const home = locateHome({}, { home: folder, portBase: String(portBase) });
  return {
    ...home,
    async [Symbol.asyncDispose]() {
      // What the user that Postgres runs as must reach lies elsewhere, behind a link.
      const elsewhere = await readlink(join(home.clusterFolder, 'postgres')).catch(() => undefined);
      if (elsewhere !== undefined) await rm(elsewhere, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
