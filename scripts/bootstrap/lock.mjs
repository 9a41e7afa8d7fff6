// One bootstrap installs at a time in a checkout. A lock is a numbered file that names its holder; the highest number
// counts. To take it: see that the highest is free (its holder is dead, or it was released), create the next number
// exclusively, and look again. The highest file is never removed, so of two that try, one fails or finds itself outbid.
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const RELEASED = 'released';

/**
 * A name for a running process that a later process with the same number does not share, where the system tells.
 * @param {number} pid
 * @returns {string | undefined} undefined when no such process runs
 */
export function processIdentity(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EPERM') return undefined;
  }
  try {
    // proc(5): the command name (field 2) is in parentheses and may hold spaces; start time is field 22.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()?.split(' ') ?? [];
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${pid} ${fields[19]} ${bootId}`;
  } catch {
    return `${pid}`;
  }
}

/** @param {string} directory @returns {number} the highest number, 0 when there is none */
function highest(directory) {
  return Math.max(0, ...readdirSync(directory).map((name) => Number(/^(\d+)\.lock$/.exec(name)?.[1] ?? 0)));
}

/** @param {string} file @returns {string | undefined} the live holder, undefined when the file stands for nobody */
function holder(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined; // removed since it was listed: a higher one exists, and creating the next number fails or is outbid
  }
  if (text === RELEASED) return undefined;
  return processIdentity(Number.parseInt(text, 10)) === text ? text : undefined;
}

/** @param {string} directory @returns {{ file: string } | { heldBy: string }} */
function tryAcquire(directory) {
  for (;;) {
    const top = highest(directory);
    const heldBy = top === 0 ? undefined : holder(join(directory, `${top}.lock`));
    if (heldBy !== undefined) return { heldBy };
    const file = join(directory, `${top + 1}.lock`);
    // Written under another name and linked: link(2) is exclusive, and a lock file is never seen empty.
    const draft = join(directory, `${process.pid}.draft`);
    writeFileSync(draft, processIdentity(process.pid) ?? '');
    try {
      linkSync(draft, file);
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') continue;
      throw error;
    } finally {
      rmSync(draft, { force: true });
    }
    if (highest(directory) === top + 1) return { file };
    rmSync(file, { force: true });
  }
}

/**
 * Runs `work` while holding the lock, waiting for another holder first.
 * @template T
 * @param {{ directory: string, onWait?: (heldBy: string) => void, pollMs?: number }} options
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock({ directory, onWait, pollMs = 200 }, work) {
  mkdirSync(directory, { recursive: true });
  let told = false;
  let attempt = tryAcquire(directory);
  while ('heldBy' in attempt) {
    if (!told) onWait?.(attempt.heldBy.split(' ')[0] ?? '');
    told = true;
    await delay(pollMs);
    attempt = tryAcquire(directory);
  }
  const own = attempt.file;
  const number = Number.parseInt(basename(own), 10);
  for (const name of readdirSync(directory))
    if (name.endsWith('.lock') && Number.parseInt(name, 10) < number)
      rmSync(join(directory, name), { force: true });
  try {
    return await work();
  } finally {
    writeFileSync(own, RELEASED);
  }
}
