/** Child processes that do not outlive this one, and signals that reach what they started themselves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

export interface Command {
  readonly path: string;
  readonly args: readonly string[];
  /** Run as this user; only root may ask for it. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

const SETPRIV = '/usr/bin/setpriv'; // util-linux
const alive = new Set<number>();
let watching = false;

/**
 * Starts `command` with nothing of this process's environment, in `/`. On Linux the kernel kills it when this thread
 * dies (prctl(2) PR_SET_PDEATHSIG), however that dies; elsewhere only an orderly end of this process does.
 */
export function startChild(command: Command, logFd: number): ChildProcess {
  const tied = process.platform === 'linux' && existsSync(SETPRIV);
  const path = tied ? SETPRIV : command.path;
  const args = tied
    ? ['--pdeathsig', 'KILL', '--no-new-privs', '--', command.path, ...command.args]
    : [...command.args];
  const child = spawn(path, args, {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', logFd, logFd],
    // Ctrl-C in a terminal reaches its whole foreground group: servers end when we say so, after those who need them.
    detached: true,
    ...command.user,
  });
  const { pid } = child;
  if (pid !== undefined) {
    watchExit();
    alive.add(pid);
    child.once('exit', () => alive.delete(pid));
  }
  return child;
}

/** The process first, so that it starts no more of them; then its children. A process that is gone is no error. */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  const children = childrenOf(pid);
  trySignal(pid, signal);
  for (const child of new Set([...children, ...childrenOf(pid)])) trySignal(child, signal);
}

/** Direct children; servers start none that have their own. Empty where the system does not tell. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text
      .split(' ')
      .map(Number)
      .filter((child) => child > 0);
  } catch {
    return [];
  }
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

function watchExit(): void {
  if (watching) return;
  watching = true;
  process.once('exit', () => {
    for (const pid of alive) signalTree(pid, 'SIGKILL');
  });
}
