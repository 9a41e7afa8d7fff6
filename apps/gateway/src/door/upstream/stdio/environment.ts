/** What a child is given: nothing of the gateway's own but PATH, a home of its principal's own, and what the configuration says. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readPassword } from '@sallyport/service/process';
import type { StdioUpstreamConfig } from '../config.ts';
import { findCommand } from '../files.ts';
import type { UpstreamPorts } from '../ports.ts';
import { MARK } from './marks.ts';

export type Launch = {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
};

/**
 * What a child is started through, so that it dies with the gateway however that dies (PR_SET_PDEATHSIG), and no program it
 * runs gains rights by being run. None where util-linux is not; the one of busybox does not know the first.
 */
export type Guard = readonly string[];
const SETPRIV = 'setpriv';
const SETTINGS = ['--pdeathsig', 'KILL', '--no-new-privs', '--'];

/** Tried, not only looked for. */
export async function findGuard(path: string): Promise<Guard> {
  const file = process.platform === 'linux' ? findCommand(SETPRIV, path) : undefined;
  if (file === undefined) return [];
  const { promise, resolve } = Promise.withResolvers<boolean>();
  execFile(file, [...SETTINGS, file, '--version'], { timeout: 5_000, env: {} }, (error) =>
    resolve(error === null),
  );
  return (await promise) ? [file, ...SETTINGS] : [];
}

/**
 * `owner`: whose child it is; each has a home of its own, so that nothing of one is found by another. Throws `TypeError`
 * for files that cannot be read and a command that is not there: they were when the gateway started.
 */
export async function launchOf(
  config: StdioUpstreamConfig,
  { route, path, workFolder }: UpstreamPorts,
  { owner, mark, guard }: { readonly owner: string; readonly mark: string; readonly guard: Guard },
): Promise<Launch> {
  const { command, args = [], env = {}, envFiles = {} } = config;
  const home = join(workFolder, route, createHash('sha256').update(owner).digest('hex').slice(0, 32));
  await mkdir(home, { recursive: true, mode: 0o700 });
  const given = {
    ...{ PATH: path, HOME: home, LANG: 'C.UTF-8' },
    ...env,
    // Read at each start: a secret that was replaced is in use with the next child.
    ...Object.fromEntries(Object.entries(envFiles).map(([name, file]) => [name, readPassword(file)])),
    ...(mark === '' ? {} : { [MARK]: mark }),
  };
  const program = findCommand(command, given.PATH);
  if (program === undefined) throw new TypeError(`${command} is no program that can be run`);
  const [file, ...before] = guard;
  return {
    ...(file === undefined ? { file: program, args } : { file, args: [...before, program, ...args] }),
    cwd: config.cwd ?? home,
    env: given,
  };
}
