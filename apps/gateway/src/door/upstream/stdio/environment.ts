/** What a child is given: nothing of the gateway's own but PATH, a home of its principal's own, and what the configuration says. */
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

/** util-linux. */
const SETPRIV = 'setpriv';

/**
 * `owner`: whose child it is; each has a home of its own, so that nothing of one is found by another. Throws `TypeError`
 * for files that cannot be read and a command that is not there: they were when the gateway started.
 */
export async function launchOf(
  config: StdioUpstreamConfig,
  { route, path, workFolder }: UpstreamPorts,
  owner: string,
  mark: string,
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
  const guard = process.platform === 'linux' ? findCommand(SETPRIV, path) : undefined;
  return {
    // It dies with the gateway however that dies (PR_SET_PDEATHSIG), and no program it runs gains rights by being run.
    ...(guard === undefined
      ? { file: program, args }
      : { file: guard, args: ['--pdeathsig', 'KILL', '--no-new-privs', '--', program, ...args] }),
    cwd: config.cwd ?? home,
    env: given,
  };
}
