/** The root of a tree whose leaf hashes come one by one (RFC 9162 section 2.1.1), in memory that grows with log2(size). */
import { emptyRoot, nodeHash } from '@sallyport/crypto';

export class RunningRoot {
  /** Roots of complete subtrees, largest first; their sizes are the bits of `#size`. */
  readonly #subtrees: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(leafHash: Uint8Array): void {
    let hash = leafHash;
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = this.#subtrees.pop();
      if (left !== undefined) hash = nodeHash(left, hash);
    }
    this.#subtrees.push(hash);
    this.#size += 1;
  }

  root(): Uint8Array {
    const last = this.#subtrees.at(-1);
    if (last === undefined) return emptyRoot();
    return this.#subtrees.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
  }
}
