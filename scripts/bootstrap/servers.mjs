// Redis, NATS and Postgres for the tests and for the cluster profile on one machine, and a browser for the tests. On
// Debian and what derives from it they come from the distribution; elsewhere, and without root, a person is told what to
// install.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { withLock } from './lock.mjs';
import { forbidDaemonStarts } from './policy-rc-d.mjs';

/**
 * @typedef {{ package: string, program: string, folders?: () => string[], unit?: string }} Server
 * @typedef {{ code: number | null, output: string }} End
 * @typedef {object} System What this machine is and does, replaced in tests.
 * @property {(server: Server) => boolean} has
 * @property {boolean} root
 * @property {boolean} apt
 * @property {boolean} systemd
 * @property {(command: string, args: string[]) => Promise<End>} run
 * @property {() => () => void} forbidStarts
 * @property {string} lockDirectory
 * @typedef {{ ok: true, changed: boolean, missing: string[] } | { ok: false, problem: string }} Result
 */

const DEBIAN_POSTGRES = '/usr/lib/postgresql';

/** @type {readonly Server[]} */
const SERVERS = [
  { package: 'redis-server', program: 'redis-server', unit: 'redis-server.service' },
  { package: 'nats-server', program: 'nats-server', unit: 'nats-server.service' },
  { package: 'postgresql', program: 'postgres', unit: 'postgresql.service', folders: debianPostgres },
];

/** @type {readonly Server[]} What only tests need: the sign-in pages are tried in a browser that people use. */
const FOR_TESTS = [{ package: 'chromium', program: 'chromium' }];

/**
 * Resolves at once when all are installed. Missing servers are an error only where everything is required.
 * @param {{ say: (line: string) => void, forTests?: boolean, env?: NodeJS.ProcessEnv, system?: System }} options
 *   forTests: also what only tests need; env: SALLYPORT_REQUIRE_ALL=1 makes a missing server a failure; SALLYPORT_INSTALL_SERVERS=0 installs nothing
 * @returns {Promise<Result>}
 */
export async function ensureServers({ say, forTests = false, env = process.env, system = thisSystem() }) {
  const needed = forTests ? [...SERVERS, ...FOR_TESTS] : SERVERS;
  const missing = () => needed.filter((server) => !system.has(server));
  if (missing().length === 0) return { ok: true, changed: false, missing: [] };
  const { SALLYPORT_INSTALL_SERVERS: install, SALLYPORT_REQUIRE_ALL: requireAll } = env;
  if (!system.apt || !system.root || install === '0')
    return without(missing(), requireAll === '1', say, system);
  const onWait = (/** @type {string} */ pid) =>
    say(`process ${pid} installs packages for another checkout; waiting for it`);
  return withLock({ directory: system.lockDirectory, onWait }, async () => {
    const wanted = missing(); // again: the one we waited for may have done it
    if (wanted.length === 0) return { ok: true, changed: false, missing: [] };
    const packages = wanted.map((server) => server.package);
    say(
      `installing ${packages.join(', ')} with apt-get; none of them is started (up to 500 MB, a minute or two)`,
    );
    const end = await installQuietly(packages, system);
    const left = missing();
    if (left.length === 0) {
      await keepOff(wanted, system, say);
      say('installed; the tests start servers of their own, on free ports');
      return { ok: true, changed: true, missing: [] };
    }
    say(
      `apt-get could not install ${names(left)} (exit code ${end.code ?? 'none'}):\n${lastLines(end.output)}`,
    );
    return without(left, requireAll === '1', say, system);
  });
}

/**
 * @param {string[]} packages
 * @param {System} system
 * @returns {Promise<End>}
 */
async function installQuietly(packages, system) {
  const args = ['-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'install', ...packages];
  const allow = system.forbidStarts();
  try {
    const first = await system.run('apt-get', args);
    if (first.code === 0) return first;
    // Most likely the lists of packages are missing or old.
    const update = await system.run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update']);
    return update.code === 0 ? await system.run('apt-get', args) : update;
  } finally {
    allow();
  }
}

/**
 * Debian enables what it installs, so the next boot would start it. Only what was not here before is turned off.
 * @param {Server[]} servers
 * @param {System} system
 * @param {(line: string) => void} say
 */
async function keepOff(servers, system, say) {
  if (!system.systemd) return;
  const units = servers.flatMap((server) => server.unit ?? []);
  if (units.length === 0) return;
  const { code } = await system.run('systemctl', ['disable', ...units]);
  if (code !== 0) say(`the next boot may start them; to keep them off: systemctl disable ${units.join(' ')}`);
}

/**
 * @param {Server[]} missing
 * @param {boolean} requireAll
 * @param {(line: string) => void} say
 * @param {System} system
 * @returns {Result}
 */
function without(missing, requireAll, say, system) {
  const packages = missing.map((server) => server.package);
  const how = system.apt
    ? `As root: apt-get install --no-install-recommends ${packages.join(' ')}`
    : `Install ${names(missing)} with what your system has for it.`;
  const problem = `${names(missing)} not installed. ${how}`;
  if (requireAll) return { ok: false, problem: `${problem} (SALLYPORT_REQUIRE_ALL=1 asks for all of them)` };
  say(`${problem}\n  Going on without: tests that need them are skipped by name.`);
  return { ok: true, changed: false, missing: packages };
}

/** @param {Server[]} servers */
function names(servers) {
  return servers.map((server) => server.program).join(', ');
}

/** @param {string} output */
function lastLines(output) {
  return output.trim().split('\n').slice(-8).join('\n');
}

/** @returns {System} */
function thisSystem() {
  const { PATH = '' } = process.env;
  const folders = [...PATH.split(delimiter), '/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin'];
  return {
    has: (server) =>
      [...folders, ...(server.folders?.() ?? [])].some((folder) => isProgram(join(folder, server.program))),
    root: process.getuid?.() === 0,
    apt: isProgram('/usr/bin/apt-get'),
    systemd: existsSync('/run/systemd/system'),
    run,
    forbidStarts: () => forbidDaemonStarts(),
    lockDirectory: '/run/sallyport-bootstrap',
  };
}

function debianPostgres() {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES) : [];
  return versions.map((version) => join(DEBIAN_POSTGRES, version, 'bin'));
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * A signal that would end this process goes to the child, which is waited for: what was changed for it is then undone.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<End>} output: the last 64 KiB
 */
async function run(command, args) {
  const { PATH = '', HOME = '/root' } = process.env;
  const { http_proxy, https_proxy, no_proxy } = process.env;
  // RUNLEVEL: of a machine that is starting, in which invoke-rc.d starts nothing by itself.
  const env = { PATH, HOME, http_proxy, https_proxy, no_proxy, LC_ALL: 'C.UTF-8', RUNLEVEL: '1' };
  const quiet = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' };
  const child = spawn(command, args, { env: { ...env, ...quiet }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-65_536);
    });
  /** @type {readonly NodeJS.Signals[]} */
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const stop = (/** @type {NodeJS.Signals} */ signal) => void child.kill(signal);
  for (const signal of signals) process.on(signal, stop);
  try {
    const code = await new Promise((resolve) => {
      child.once('error', (error) => {
        output += error.message;
        resolve(null);
      });
      child.once('close', resolve);
    });
    return { code, output };
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}
