// Puts the package manager, the packages and the pinned Node into node_modules, when they are not there already.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { withLock } from './lock.mjs';
import { firstMissing, pinnedPackageManager, readStamp, removeStamp, stampOf, writeStamp } from './stamp.mjs';

/**
 * @typedef {{ root: string, say: (line: string) => void, install?: typeof runInstall }} Options
 *   install: the step that needs the network, replaced in tests
 * @typedef {{ ok: true, changed: boolean } | { ok: false, problem: string }} Result
 */

/** @param {string} root @returns {string | undefined} why an install is needed, undefined when it is not */
export function reasonToInstall(root) {
  const stamp = readStamp(root);
  if (stamp === undefined) return 'the packages are not installed yet';
  if (stamp !== stampOf(root)) return 'the lock file, a package.json or this machine changed';
  const missing = firstMissing(root);
  return missing === undefined ? undefined : `${missing} is missing`;
}

/**
 * @param {Options} options
 * @returns {Promise<Result>}
 */
export async function ensureInstalled({ root, say, install = runInstall }) {
  if (reasonToInstall(root) === undefined) return { ok: true, changed: false };
  const onWait = (/** @type {string} */ pid) =>
    say(`another set-up runs here (process ${pid}); waiting for it`);
  return withLock({ directory: join(root, '.cache', 'bootstrap'), onWait }, async () => {
    const reason = reasonToInstall(root); // again: the one we waited for may have done it
    if (reason === undefined) return { ok: true, changed: false };
    const { name, version } = pinnedPackageManager(root);
    say(`${reason}: installing with ${name} ${version} (the first time about 700 MB, half a minute to two)`);
    const started = process.hrtime.bigint();
    const stamp = stampOf(root); // before: a file that changes during the install must not count as installed
    removeStamp(root);
    const end = await install(root, `${name}@${version}`);
    const missing = end.code === 0 ? firstMissing(root) : undefined;
    if (end.code !== 0 || missing !== undefined) return { ok: false, problem: advice(end, missing) };
    writeStamp(root, stamp);
    say(`installed in ${(Number(process.hrtime.bigint() - started) / 1e9).toFixed(1)} s`);
    return { ok: true, changed: true };
  });
}

/**
 * @param {{ code: number | null, output: string }} end
 * @param {string | undefined} missing
 */
function advice({ code, output }, missing) {
  if (missing !== undefined)
    return `the install reported success but ${missing} is missing. Remove node_modules and run the command again.`;
  const network =
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|META_FETCH_FAIL/;
  const why = network.test(output)
    ? 'the package registry could not be reached. Check the network and, behind a proxy or a mirror, npm\'s settings\n  ("npm config get proxy", "npm config get registry").'
    : /ERR_PNPM_OUTDATED_LOCKFILE/.test(output)
      ? 'pnpm-lock.yaml does not match a package.json. After changing dependencies run: npx pnpm install'
      : /ENOSPC/.test(output)
        ? 'the disk is full: the packages need about 700 MB.'
        : 'the messages above say why.';
  return `the install failed (exit code ${code ?? 'none'}): ${why}\n  Nothing was marked as installed: run the same command again to retry.`;
}

/**
 * `npm exec` brings the pinned pnpm without touching the system; pnpm brings the rest, the pinned Node among it.
 * @param {string} root
 * @param {string} packageManager name@version
 * @returns {Promise<{ code: number | null, output: string }>} output: the last 64 KiB of what it wrote, to tell causes apart
 */
export async function runInstall(root, packageManager) {
  const args = ['exec', '--yes', `--package=${packageManager}`, '--', 'pnpm', 'install', '--frozen-lockfile'];
  // CI: pnpm then asks no questions, such as whether it may replace a node_modules that something else made.
  const env = { ...process.env, CI: 'true', npm_config_update_notifier: 'false' };
  const windows = process.platform === 'win32';
  const child = spawn('npm', args, { cwd: root, env, shell: windows, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-65_536);
      process.stderr.write(chunk);
    });
  /** @type {readonly NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  /** @type {NodeJS.Signals | undefined} */
  let interrupted;
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    interrupted = signal;
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, stop);
  try {
    const code = await new Promise((resolve) => {
      child.once('error', (error) => {
        output += error.message;
        process.stderr.write(`${error.message}\n`);
        resolve(null);
      });
      child.once('close', resolve);
    });
    return { code: interrupted === undefined ? code : code || 130, output };
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
