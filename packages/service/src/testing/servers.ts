import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServers, serverTls, type ServerKind, type ServerTls } from '../local-servers/index.ts';

export interface ServerSuite {
  /** For `describe.skipIf`: a server is missing, and it may be. */
  readonly skip: boolean;
  /** `what`, and why it is skipped when it is. */
  title(what: string): string;
}

/**
 * Whether tests that need these servers can run here. Throws when one is missing and SALLYPORT_REQUIRE_ALL is 1:
 * `const suite = await serverSuite('redis'); describe.skipIf(suite.skip)(suite.title('the guard'), …)`.
 */
export async function serverSuite(...kinds: readonly ServerKind[]): Promise<ServerSuite> {
  const found = await findServers();
  const missing = kinds.filter((kind) => found[kind] === undefined);
  const why = `${missing.join(' and ')} not installed here`;
  if (missing.length > 0 && process.env['SALLYPORT_REQUIRE_ALL'] === '1') throw new Error(why);
  return {
    skip: missing.length > 0,
    title: (what) => (missing.length === 0 ? what : `${what} (skipped: ${why})`),
  };
}

/** Folders for servers that are gone after the test, and one certificate for all of them. */
export interface ServerFolders extends AsyncDisposable {
  readonly tls: ServerTls;
  /** A new one at every call; directly under the temporary folder, where the user `postgres` can reach it too. */
  folder(): Promise<string>;
}

export async function serverFolders(): Promise<ServerFolders> {
  const made: string[] = [];
  const folder = async (): Promise<string> => {
    const path = await mkdtemp(join(tmpdir(), 'sallyport-server-'));
    made.push(path);
    return path;
  };
  return {
    tls: await serverTls(await folder()),
    folder,
    [Symbol.asyncDispose]: async () => {
      for (const path of made) await rm(path, { recursive: true, force: true });
    },
  };
}
