/** Whose something is, and how much each may have at a time. */
import { UpstreamFailure, type Caller } from '../ports.ts';

/** Principal and tenant: what keeps callers apart here. Ids have no NUL. */
export type Owner = string & { readonly __owner: unique symbol };

/** Tenant and principal: the same id in two tenants is two owners. */
export const ownerOf = ({ principal: { id, tenant } }: Caller): Owner => `${tenant}\0${id}` as Owner;

/** So many at a time and no line behind them: who waits for a server that is slow waits at the client. */
export class Admission {
  readonly #max: number;
  readonly #maxPerOwner: number;
  readonly #what: string;
  readonly #held = new Map<Owner, number>();
  #all = 0;

  /** `what` is there too much of, for the caller to read. */
  constructor(max: number, maxPerOwner: number, what: string) {
    this.#max = max;
    this.#maxPerOwner = maxPerOwner;
    this.#what = what;
  }

  get held(): number {
    return this.#all;
  }

  /** What gives the place back, once. Throws `UpstreamFailure` (`busy`). */
  enter(owner: Owner): () => void {
    const held = this.#held.get(owner) ?? 0;
    if (this.#all >= this.#max) throw new UpstreamFailure('busy', `the server has too many ${this.#what}`);
    if (held >= this.#maxPerOwner)
      throw new UpstreamFailure('busy', `the principal has too many ${this.#what} at this server`);
    this.#all += 1;
    this.#held.set(owner, held + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#all -= 1;
      const left = (this.#held.get(owner) ?? 1) - 1;
      if (left === 0) this.#held.delete(owner);
      else this.#held.set(owner, left);
    };
  }
}

/** A map that forgets what was not used for longest. */
export class Recent<K, V> {
  readonly #max: number;
  readonly #entries = new Map<K, V>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#max) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }
}
