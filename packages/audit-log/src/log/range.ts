/** The roots of the complete subtrees that make up a tree, left to right: all that is needed to grow it. */
import { emptyRoot, nodeHash } from '@sallyport/crypto';

interface Subtree {
  /** It has 2^height leaves. */
  readonly height: number;
  readonly root: Uint8Array;
}

export class CompactRange {
  readonly #subtrees: Subtree[] = [];

  /** Adds a complete subtree at the right; a leaf hash has height 0. It must not be higher than the last one. */
  push(root: Uint8Array, height = 0): void {
    let subtree: Subtree = { height, root };
    for (let left = this.#subtrees.at(-1); left?.height === subtree.height; left = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      subtree = { height: subtree.height + 1, root: nodeHash(left.root, subtree.root) };
    }
    this.#subtrees.push(subtree);
  }

  /** The tree's root (RFC 9162 section 2.1.1). */
  root(): Uint8Array {
    const last = this.#subtrees.at(-1);
    if (last === undefined) return emptyRoot();
    return this.#subtrees.slice(0, -1).reduceRight((right, { root }) => nodeHash(root, right), last.root);
  }
}
