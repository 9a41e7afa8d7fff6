/** Which of the servers are installed here, and where. */
import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { LocalServerError } from './error.ts';

export interface FoundServer {
  /** Of the server's program; tools of the same package lie beside it. */
  readonly path: string;
  /** As the program says it, e.g. `7.0.15`. */
  readonly version: string;
}

export type ServerKind = 'redis' | 'nats' | 'postgres';
/** A kind that is absent is not installed. */
export type FoundServers = { readonly [Kind in ServerKind]?: FoundServer };

const PROGRAMS: Readonly<Record<ServerKind, string>> = {
  redis: 'redis-server',
  nats: 'nats-server',
  postgres: 'postgres',
};
/** Debian puts nats-server where only root's PATH leads, and postgres where none does. */
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
const FURTHER_FOLDERS = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin'];

const run = promisify(execFile);

/** Asks each program for its version; one that does not answer within 5 s counts as absent. */
export async function findServers(path: string | undefined = process.env['PATH']): Promise<FoundServers> {
  const folders = [...(path ?? '').split(delimiter).filter((folder) => folder !== ''), ...FURTHER_FOLDERS];
  const [redis, nats, postgres] = await Promise.all([
    find(PROGRAMS.redis, folders),
    find(PROGRAMS.nats, folders),
    debianPostgres().then((debian) => find(PROGRAMS.postgres, [...debian, ...folders])),
  ]);
  return {
    ...(redis === undefined ? {} : { redis }),
    ...(nats === undefined ? {} : { nats }),
    ...(postgres === undefined ? {} : { postgres }),
  };
}

/** Throws `LocalServerError` (`not_installed`) that says how to get it. */
export async function requireServer(kind: ServerKind): Promise<FoundServer> {
  const found = (await findServers())[kind];
  if (found !== undefined) return found;
  const debian = { redis: 'redis-server', nats: 'nats-server', postgres: 'postgresql' }[kind];
  throw new LocalServerError(
    'not_installed',
    `${PROGRAMS[kind]} is not installed. On Debian: apt-get install ${debian}`,
  );
}

/** Newest first. */
async function debianPostgres(): Promise<readonly string[]> {
  const versions = await readdir(DEBIAN_POSTGRES).catch(() => []);
  return versions
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN_POSTGRES, version, 'bin'));
}

async function find(program: string, folders: readonly string[]): Promise<FoundServer | undefined> {
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      await access(path, constants.X_OK);
      const { stdout, stderr } = await run(path, ['--version'], { timeout: 5000, env: {} });
      const version = /\d+\.\d+(?:\.\d+)?/.exec(stdout + stderr)?.[0];
      if (version !== undefined) return { path, version };
    } catch {
      // not here, or not something that runs: look further
    }
  }
  return undefined;
}
