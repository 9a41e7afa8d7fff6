/** Runs a tool to its end and keeps what it said. */
import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

export interface RunResult {
  /** null when it was ended by a signal, as at the time limit. */
  readonly code: number | null;
  /** stdout and stderr in the order they came. */
  readonly output: string;
  readonly stdout: string;
}

const TIME_LIMIT_MS = 300_000;

/**
 * @param options.bin put first in PATH, so that scripts in it find the pinned Node
 * @throws {Error} when the program cannot be started
 */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly bin?: string },
): Promise<RunResult> {
  const { PATH = '', ...environment } = process.env;
  const child = spawn(command, args, {
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...environment,
      PATH: options.bin === undefined ? PATH : `${options.bin}${delimiter}${PATH}`,
      NO_COLOR: '1',
      TURBO_TELEMETRY_DISABLED: '1',
      TURBO_NO_UPDATE_NOTIFIER: '1',
    },
  });
  const all: Buffer[] = [];
  const out: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    all.push(chunk);
    out.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => all.push(chunk));
  // Not spawn's own `timeout`: its timer outlives a program that could not be started.
  const overdue = setTimeout(() => child.kill('SIGKILL'), TIME_LIMIT_MS);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).finally(() => clearTimeout(overdue));
  return { code, output: Buffer.concat(all).toString(), stdout: Buffer.concat(out).toString() };
}
