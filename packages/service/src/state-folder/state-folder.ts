/**
 * One process owns a state folder at a time: PGlite has no lock of its own, and two owners lose each other's rows.
 *
 * The lock is an SQLite transaction (`BEGIN EXCLUSIVE` on `lock.db`) held open for as long as the process owns the
 * folder. Underneath it is a kernel lock on the file, so it ends with the process however that dies, and nothing stale
 * has to be detected. It needs a local file system; network file systems may not keep such locks.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../clock/index.ts';

export type StateFolderErrorKind =
  /** Another process owns it. */
  | 'locked'
  /** Somebody else could read or replace what it holds. */
  | 'unsafe'
  /** It cannot be made, read or written. */
  | 'unusable';

/** `message` names the folder, the owner where known, and what to do. */
export class StateFolderError extends Error {
  override readonly name = 'StateFolderError';
  readonly kind: StateFolderErrorKind;
  readonly path: string;
  /** Process id of the owner, when `kind` is `locked` and it could be read. */
  readonly ownerPid: number | undefined;

  constructor(
    kind: StateFolderErrorKind,
    path: string,
    message: string,
    options: { readonly ownerPid?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.path = path;
    this.ownerPid = options.ownerPid;
  }
}

export interface StateFolderOptions {
  readonly clock: Clock;
  /** Of this process; written beside the lock for the message that another process prints. */
  readonly pid: number;
}

/** A state folder this process owns until `release` or its death. */
export interface StateFolder extends Disposable {
  /** Absolute path, symbolic links resolved. */
  readonly path: string;
  /** What was repaired on the way and a person should know, e.g. a mode that was too open. */
  readonly notices: readonly string[];
  release(): void;
}

/** Keeps locks alive: a collected `DatabaseSync` closes, and the lock would end while its owner still works. */
const held = new Set<DatabaseSync>();

const othersMayAccess = 0o077;
const othersMayWrite = 0o022;
const sticky = 0o1000;

/** Makes the folder (mode 0700) when missing and locks it. Throws `StateFolderError`. */
export function lockStateFolder(path: string, options: StateFolderOptions): StateFolder {
  const notices: string[] = [];
  const folder = prepare(resolve(path), notices);
  const lock = takeLock(folder);
  try {
    writeOwner(folder, options);
  } catch (cause) {
    lock.close();
    throw new StateFolderError(
      'unusable',
      folder,
      `cannot write to ${folder}. Check its owner and free space.`,
      { cause },
    );
  }
  held.add(lock);
  let released = false;
  function release(): void {
    if (released) return;
    released = true;
    rmSync(join(folder, 'owner.json'), { force: true });
    held.delete(lock);
    lock.close(); // ends the transaction and with it the lock
  }
  return { path: folder, notices, release, [Symbol.dispose]: release };
}

function prepare(path: string, notices: string[]): string {
  try {
    const firstMade = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (firstMade !== undefined) syncNames(firstMade, path);
  } catch (cause) {
    throw new StateFolderError(
      'unusable',
      path,
      `cannot make ${path}. Choose another folder with SALLYPORT_HOME.`,
      { cause },
    );
  }
  const uid = userInfo().uid;
  // A link that somebody else made may point elsewhere tomorrow.
  if (lstatSync(path).isSymbolicLink() && lstatSync(path).uid !== uid) {
    throw new StateFolderError(
      'unsafe',
      path,
      `${path} is a symbolic link that belongs to another user. Remove it.`,
    );
  }
  const folder = realpathSync(path);
  const stat = statSync(folder);
  if (!stat.isDirectory()) {
    throw new StateFolderError(
      'unusable',
      folder,
      `${folder} is not a folder. Choose another with SALLYPORT_HOME.`,
    );
  }
  if (stat.uid !== uid) {
    const message = `${folder} belongs to user ${stat.uid}, this process runs as ${uid}. Run as its owner or choose another folder with SALLYPORT_HOME.`;
    throw new StateFolderError('unsafe', folder, message);
  }
  closeToOthers(folder, stat.mode, notices);
  const parent = statSync(dirname(folder));
  if ((parent.mode & othersMayWrite) !== 0 && (parent.mode & sticky) === 0) {
    notices.push(
      `Other users may write to ${dirname(folder)} and so replace the state folder in it: move it, or chmod go-w.`,
    );
  }
  return folder;
}

/** From `path` up to `firstMade`: a folder's name is durable when the folder that holds it was synced. */
function syncNames(firstMade: string, path: string): void {
  for (let made = path; made.length >= firstMade.length; made = dirname(made)) {
    const parent = openSync(dirname(made), 'r');
    try {
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  }
}

function closeToOthers(folder: string, mode: number, notices: string[]): void {
  if ((mode & othersMayAccess) === 0) return;
  try {
    chmodSync(folder, 0o700);
  } catch (cause) {
    throw new StateFolderError('unsafe', folder, `other users may read ${folder}. Run chmod 700 on it.`, {
      cause,
    });
  }
  if ((statSync(folder).mode & othersMayAccess) !== 0) {
    const message = `other users may read ${folder} and its file system keeps no permissions. Choose another folder with SALLYPORT_HOME.`;
    throw new StateFolderError('unsafe', folder, message);
  }
  const before = (mode & 0o777).toString(8);
  notices.push(
    `${folder} was open to other users (mode ${before}); it is 700 now. If they could have read its keys, make new ones.`,
  );
}

const sqliteBusy = 5; // https://www.sqlite.org/rescode.html#busy

function takeLock(folder: string): DatabaseSync {
  const file = join(folder, 'lock.db');
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new StateFolderError('unsafe', folder, `${file} is a symbolic link. Remove it.`);
  }
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(file, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    chmodSync(file, 0o600);
    return lock;
  } catch (cause) {
    lock?.close();
    if (!(cause instanceof Error && 'errcode' in cause && cause.errcode === sqliteBusy)) {
      throw new StateFolderError('unusable', folder, `cannot lock ${file}. Check its owner and free space.`, {
        cause,
      });
    }
    const owner = readOwner(folder);
    const who = owner === undefined ? 'another process' : `process ${owner.pid}, started ${owner.startedAt}`;
    const stop = owner === undefined ? 'Stop it' : `Stop it (kill ${owner.pid})`;
    const message = `${folder} is in use by ${who}. ${stop}, or give this one a folder and ports of its own with SALLYPORT_HOME and SALLYPORT_PORT_BASE.`;
    throw new StateFolderError('locked', folder, message, { ownerPid: owner?.pid });
  }
}

interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

function writeOwner(folder: string, { pid, clock }: StateFolderOptions): void {
  const owner: Owner = { pid, startedAt: new Date(clock.now()).toISOString() };
  const unfinished = join(folder, 'owner.json.new');
  writeFileSync(unfinished, `${JSON.stringify(owner)}\n`, { mode: 0o600 });
  renameSync(unfinished, join(folder, 'owner.json'));
}

/** For a message only: the lock decides, this file merely says who. */
function readOwner(folder: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startedAt' in value))
      return undefined;
    const { pid, startedAt } = value;
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || typeof startedAt !== 'string')
      return undefined;
    return { pid, startedAt: startedAt.slice(0, 30) };
  } catch {
    return undefined; // being written, or gone: the message does without
  }
}
