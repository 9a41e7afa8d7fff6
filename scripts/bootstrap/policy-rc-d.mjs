// While Debian's packages of servers are installed, nothing may start the servers: they would listen on their standard
// ports. /usr/sbin/policy-rc.d is asked before each start (Debian policy, section 9.3.3.2) and 101 forbids it.
import { chmodSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const MARK =
  '# Put here by the bootstrap of Sallyport while it installs packages, and removed when it is done.';
const FORBID = `#!/bin/sh\n${MARK}\nexit 101\n`;

/**
 * Forbids until the returned function is called. A policy that was there is put aside and comes back, also at the next
 * call after a run that was killed.
 * @param {string} file
 * @returns {() => void}
 */
export function forbidDaemonStarts(file = '/usr/sbin/policy-rc.d') {
  const aside = `${file}.before-sallyport`;
  restore(file, aside);
  if (exists(aside))
    throw new Error(`${aside} and ${file} both exist: look at them, keep the one that is right as ${file}`);
  if (exists(file)) renameSync(file, aside);
  const draft = `${file}.sallyport-draft`;
  writeFileSync(draft, FORBID);
  chmodSync(draft, 0o755);
  renameSync(draft, file);
  return () => restore(file, aside);
}

/** @param {string} file @param {string} aside */
function restore(file, aside) {
  if (isOurs(file)) rmSync(file);
  if (exists(aside) && !exists(file)) renameSync(aside, file);
}

/** @param {string} path */
function exists(path) {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** @param {string} file */
function isOurs(file) {
  try {
    return readFileSync(file, 'utf8').includes(MARK);
  } catch {
    return false; // absent, or a link to nowhere: somebody else's
  }
}
