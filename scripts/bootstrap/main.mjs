// What the bootstrap does, in order: read the words, make sure the packages are in place, hand over to the pinned Node.
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { runInForeground } from './run.mjs';
import { ensureServers } from './servers.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

const USAGE = `Usage (from a checkout of Sallyport):
  npm run setup              install what is missing, start nothing
  npm start [-- options]     run Sallyport; options go to "sallyport up"
  npm test [-- words]        run the tests; words choose packages, or go to vitest

For the tests and the cluster profile, as root on Debian, Redis, NATS and Postgres are installed when they are missing;
they are not started. The tests also install Chromium. SALLYPORT_INSTALL_SERVERS=0 leaves the system as it is.
`;

/** @type {Record<string, string[] | undefined>} What each command hands over to: a script and its first arguments. */
const targets = {
  start: ['apps/cli/bin/sallyport.js', 'up'],
  test: ['scripts/test.ts'],
};

/** @param {string[]} argv the words after the script's name */
export async function main(argv) {
  const [command = '', ...rest] = argv;
  const target = targets[command];
  if (target === undefined && command !== 'setup') {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  const say = (/** @type {string} */ line) => process.stderr.write(`sallyport: ${line}\n`);
  const installed = await ensureInstalled({ root, say });
  if (!installed.ok) {
    say(installed.problem);
    process.exitCode = 1;
    return;
  }
  if (target === undefined) {
    say(installed.changed ? 'ready. Next: npm start' : 'everything is in place. Next: npm start');
    return;
  }
  if (needsServers(command, rest)) {
    const servers = await ensureServers({ say, forTests: command === 'test' });
    if (!servers.ok) {
      say(servers.problem);
      process.exitCode = 1;
      return;
    }
  }
  const [script = '', ...first] = target;
  const { PATH = '' } = process.env;
  const bin = join(root, 'node_modules', '.bin');
  await runInForeground(join(bin, 'node'), [join(root, script), ...first, ...rest], {
    env: { ...process.env, PATH: `${bin}${delimiter}${PATH}` },
  });
}

/**
 * The tests, and the profile that runs on real servers.
 * @param {string} command
 * @param {string[]} words
 */
function needsServers(command, words) {
  if (command === 'test') return true;
  const profile = words.indexOf('--profile');
  return words.includes('--profile=cluster') || (profile !== -1 && words[profile + 1] === 'cluster');
}
