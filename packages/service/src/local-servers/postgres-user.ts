/** Postgres refuses to run as root. Root starts it as the user `postgres`, who must be able to reach its folder. */
import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LocalServerError } from './error.ts';

/** `undefined`: the server runs as whoever runs this process. */
export type ServerUser = { readonly uid: number; readonly gid: number } | undefined;

/** Throws `LocalServerError` (`not_installed`) when we are root and there is no such user. */
export async function postgresUser(): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return undefined;
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'));
  if (line === null) {
    const message =
      'Postgres does not run as root, and this machine has no user "postgres" to run it as. Install the package postgresql, or do not run as root.';
    throw new LocalServerError('not_installed', message);
  }
  return { uid: Number(line[1]), gid: Number(line[2]) };
}

/**
 * Makes `folder` for configuration and log: ours, and passable for the server's group only. Throws `LocalServerError`
 * (`unusable_folder`) when the server's user cannot get there, naming the folder that stops it.
 */
export async function prepareServerFolder(folder: string, user: ServerUser): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (user === undefined) return;
  const { uid } = await stat(folder);
  if (uid !== 0) {
    const message = `${folder} belongs to user ${uid}: choose a folder of root's, or one that does not exist yet`;
    throw new LocalServerError('unusable_folder', message);
  }
  await chown(folder, 0, user.gid);
  await chmod(folder, 0o710);
  const obstacle = firstObstacle(folder, user);
  if (obstacle === undefined) return;
  const message =
    `Postgres runs as the user "postgres", who cannot get through ${obstacle} to ${folder}. ` +
    `Choose a folder below one that is open to pass through (such as /var/lib), or run: chmod o+x ${obstacle}`;
  throw new LocalServerError('unusable_folder', message);
}

/** Whether the user `postgres` could reach a folder made at `path`; always true when we are not root. */
export async function isReachableForPostgres(path: string): Promise<boolean> {
  const user = await postgresUser();
  if (user === undefined) return true;
  for (let folder = path; ; folder = dirname(folder)) {
    const exists = await stat(folder).then(
      () => true,
      () => false,
    );
    // What does not exist yet is made passable.
    if (exists) return firstObstacle(folder, user) === undefined;
  }
}

/** From the root down, since one closed folder hides all below it. */
function firstObstacle(folder: string, user: NonNullable<ServerUser>): string | undefined {
  const chain: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    chain.unshift(at);
    if (at === dirname(at)) break;
  }
  // As that user, since modes alone do not tell (ACLs, mounts).
  // Without `test` nothing can be said: then the server's own start does.
  const passes = (at: string): boolean => {
    const asked = spawnSync('test', ['-x', at], { ...user, cwd: '/', stdio: 'ignore', timeout: 5000 });
    const { error }: { error?: NodeJS.ErrnoException } = asked;
    return asked.status === 0 || error?.code === 'ENOENT';
  };
  return passes(folder) ? undefined : chain.find((at) => !passes(at));
}
