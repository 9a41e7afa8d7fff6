// Runs a child in the foreground as if it had replaced this process: it gets the terminal and the signals, and this
// process ends the way the child ended. (`spawnSync` would leave the child behind when this process is signalled.)
import { spawn } from 'node:child_process';

/** @type {readonly NodeJS.Signals[]} */
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {Promise<void>} settles once the child is gone and `process.exitCode` is set, or this process has signalled itself
 */
export async function runInForeground(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  /** @type {Map<NodeJS.Signals, () => void>} */
  const handlers = new Map();
  for (const signal of FORWARDED) {
    const forward = () => {
      // Ctrl-C in a terminal reaches every process of the foreground group, the child included. A second SIGINT from
      // here would read as "the user insists" and cut its clean shutdown short.
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    handlers.set(signal, forward);
    process.on(signal, forward);
  }
  const unwatch = onOrphaned(() => child.kill('SIGTERM'));
  /** @type {{ code: number | null, signal: NodeJS.Signals | null }} */
  const end = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    unwatch();
    for (const [signal, handler] of handlers) process.off(signal, handler);
  });
  if (end.signal === null) process.exitCode = end.code ?? 1;
  else process.kill(process.pid, end.signal);
}

/**
 * Calls back when the npm that runs this process is gone: killed outright, it could not pass anything on. Started by
 * anything else, this process may well be meant to outlive its parent.
 * @param {() => void} callback
 * @returns {() => void} ends the watch
 */
function onOrphaned(callback) {
  const { npm_lifecycle_event: startedByNpm } = process.env;
  if (startedByNpm === undefined) return () => {};
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, 500);
  return () => clearInterval(timer);
}
