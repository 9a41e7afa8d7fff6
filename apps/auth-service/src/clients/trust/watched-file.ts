/**
 * A file and what it holds. What it holds next takes effect when it stood still from one look to the next and can be
 * understood, whole or not at all: until then, what was understood last stands.
 */
import type { Files } from './files.ts';

export interface WatchedFile<T> {
  readonly value: T;
  /** Why `value` is not what the file should hold now; undefined when it is. */
  readonly problem: string | undefined;
  /** Resolves to whether `value` is another one now; never rejects. */
  look(): Promise<boolean>;
}

/** Looks in a row at which a file may have changed before that is a problem. */
const MAX_CHANGES = 8;

/** Rejects with what reading or parsing it threw. */
export async function watchFile<T>(
  path: string,
  files: Files,
  parse: (octets: Uint8Array) => T,
): Promise<WatchedFile<T>> {
  let version = await files.version(path);
  let value = parse(await files.read(path));
  let problem: string | undefined;
  let seen = version;
  let changes = 0;

  async function look(): Promise<boolean> {
    const next = await files.version(path);
    if (next !== seen) {
      // Maybe half of it is written: a shorter deny-list is a deny-list too.
      seen = next;
      changes += 1;
      if (changes >= MAX_CHANGES) problem = `${path}: changes all the time`;
      return false;
    }
    changes = 0;
    if (next === version) {
      problem = undefined;
      return false;
    }
    const read = parse(await files.read(path));
    if ((await files.version(path)) !== next) return false;
    [value, version, problem] = [read, next, undefined];
    return true;
  }

  return {
    get value() {
      return value;
    },
    get problem() {
      return problem;
    },
    async look() {
      try {
        return await look();
      } catch (error) {
        problem = error instanceof Error ? error.message : 'unknown';
        return false;
      }
    },
  };
}
