/**
 * Fair, bounded access to a few connections, by default one: first come first served within an owner, owners in rotation, so that a busy
 * service delays another by at most one turn. A turn ends when its holder says so.
 */
import { DatabaseError } from './error.ts';

export interface TurnOptions {
  readonly maxQueue: number;
  readonly acquireTimeoutMs: number;
}

/** Ends the turn; further calls do nothing. */
export type EndTurn = () => void;

interface Waiter {
  grant(): void;
  fail(error: DatabaseError): void;
}

export class TurnQueue {
  /** Owners that have someone waiting, in rotation order (a `Map` keeps insertion order). */
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #idle = Promise.withResolvers<void>();
  readonly #capacity: number;
  #held = 0;
  #closed: DatabaseError | undefined;

  constructor(capacity = 1) {
    this.#capacity = capacity;
  }

  /** Waits for a turn. Throws `overloaded` at once, or `deadline_exceeded` after `acquireTimeoutMs`. */
  take(owner: string, options: TurnOptions): Promise<EndTurn> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#held < this.#capacity) {
      this.#held += 1;
      return Promise.resolve(this.#endTurn());
    }
    const queue = this.#waiting.get(owner) ?? [];
    if (queue.length >= options.maxQueue) {
      return Promise.reject(
        new DatabaseError(
          'overloaded',
          `${queue.length} statements of ${owner} already wait for the database`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        grant: () => {
          clearTimeout(timer);
          resolve(this.#endTurn());
        },
        fail: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#remove(owner, waiter);
        reject(
          new DatabaseError(
            'deadline_exceeded',
            `waited ${options.acquireTimeoutMs} ms for the database; inside a transaction use only its own handle`,
          ),
        );
      }, options.acquireTimeoutMs);
      queue.push(waiter);
      this.#waiting.set(owner, queue);
    });
  }

  /** Everybody who waits, now or later, gets `error`. Resolves when the present holders have ended their turns. */
  close(error: DatabaseError): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = error;
      for (const waiter of [...this.#waiting.values()].flat()) waiter.fail(error);
      this.#waiting.clear();
      if (this.#held === 0) this.#idle.resolve();
    }
    return this.#idle.promise;
  }

  #endTurn(): EndTurn {
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#next();
    };
  }

  #next(): void {
    const first = this.#waiting.entries().next();
    if (first.done === true) {
      this.#held -= 1;
      if (this.#held === 0 && this.#closed !== undefined) this.#idle.resolve();
      return;
    }
    const [owner, queue] = first.value;
    const waiter = queue.shift();
    this.#waiting.delete(owner);
    if (queue.length > 0) this.#waiting.set(owner, queue); // to the end of the rotation
    waiter?.grant();
  }

  #remove(owner: string, waiter: Waiter): void {
    const rest = (this.#waiting.get(owner) ?? []).filter((other) => other !== waiter);
    if (rest.length === 0) this.#waiting.delete(owner);
    else this.#waiting.set(owner, rest);
  }
}
