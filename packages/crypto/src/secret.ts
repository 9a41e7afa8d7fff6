/** Secret bytes in a wrapper that no log, error or JSON encoder can read by accident. */
import { inspect } from 'node:util';

const MASK = '[secret]';

export class Secret {
  #bytes: Uint8Array | undefined;

  /** Takes ownership of `bytes`: the caller keeps no use of them, and `wipe` clears them in place. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Length in bytes; 0 once wiped. */
  get length(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Lends the bytes for the time of a call and returns its result. Throws when they were wiped. */
  use<Result>(read: (bytes: Uint8Array) => Result): Result {
    if (this.#bytes === undefined) throw new Error('this secret was wiped');
    return read(this.#bytes);
  }

  /** Overwrites the bytes with zeros and forgets them. Calling it again does nothing. */
  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
