/**
 * Merkle trees of RFC 9162 section 2.1: root, inclusion and consistency proofs.
 *
 * One shape serves frames of the channel and the audit log. A last leaf without a sibling moves up as it is; it is
 * never duplicated, so no two different lists of leaves share a root (the flaw of CVE-2012-2459).
 */
import { constantTimeEqual } from './bytes.ts';
import { sha256 } from './hash.ts';

const LEAF_PREFIX = Uint8Array.of(0x00); // RFC 9162 section 2.1.1: separates leaves from nodes
const NODE_PREFIX = 0x01;
/** Filled and hashed without a pause: trees of frames are the hot path, and 65 bytes for each node were garbage. */
const nodeInput = new Uint8Array(1 + 32 + 32);
const EMPTY_ROOT = sha256(new Uint8Array(0));

/** H(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, entry);
}

/** H(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== 32 || right.length !== 32) throw new RangeError('a node has two hashes of 32 bytes');
  nodeInput[0] = NODE_PREFIX;
  nodeInput.set(left, 1);
  nodeInput.set(right, 33);
  return sha256(nodeInput);
}

/** The root of the tree without leaves: H(""). */
export function emptyRoot(): Uint8Array {
  return EMPTY_ROOT.slice();
}

/** The root over leaf hashes, in order. */
export function merkleRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  return leafHashes.length === 0 ? emptyRoot() : subtreeRoot(leafHashes, 0, leafHashes.length);
}

/** The siblings from the leaf up (RFC 9162 section 2.1.3.1). Throws RangeError when there is no such leaf. */
export function inclusionPath(leafHashes: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leafHashes.length) {
    throw new RangeError(`no leaf ${index} in a tree of ${leafHashes.length}`);
  }
  const path: Uint8Array[] = [];
  let start = 0;
  let end = leafHashes.length;
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      path.push(subtreeRoot(leafHashes, middle, end));
      end = middle;
    } else {
      path.push(subtreeRoot(leafHashes, start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

export interface InclusionProof {
  readonly leafHash: Uint8Array;
  /** Zero-based position of the leaf. */
  readonly index: number;
  /** Number of leaves of the tree. */
  readonly size: number;
  readonly path: readonly Uint8Array[];
}

/**
 * The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2), or undefined when the path does not fit the
 * position. The caller compares it with a root it trusts.
 */
export function rootFromInclusion(proof: InclusionProof): Uint8Array | undefined {
  const { index, size, path } = proof;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size)
    return undefined;
  if (proof.leafHash.length !== EMPTY_ROOT.length) return undefined;
  let position = index;
  let last = size - 1;
  let root = proof.leafHash;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== EMPTY_ROOT.length) return undefined;
    if (position % 2 === 1 || position === last) {
      root = nodeHash(sibling, root);
      while (position % 2 === 0 && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      root = nodeHash(root, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 ? root : undefined;
}

/**
 * Shows that the first `oldSize` leaves are unchanged (RFC 9162 section 2.1.4.1). Empty when `oldSize` is 0 or the
 * whole. Throws RangeError when `oldSize` is not between them.
 */
export function consistencyProof(leafHashes: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  const size = leafHashes.length;
  if (!Number.isSafeInteger(oldSize) || oldSize < 0 || oldSize > size) {
    throw new RangeError(`no tree of ${oldSize} leaves inside one of ${size}`);
  }
  if (oldSize === 0) return [];
  const proof: Uint8Array[] = [];
  let start = 0;
  let end = size;
  let startsAtZero = true;
  while (oldSize < end) {
    const middle = start + largestPowerBelow(end - start);
    if (oldSize <= middle) {
      proof.push(subtreeRoot(leafHashes, middle, end));
      end = middle;
    } else {
      proof.push(subtreeRoot(leafHashes, start, middle));
      start = middle;
      startsAtZero = false;
    }
  }
  // SUBPROOF(m, D_m, true) is empty: the verifier has that root. Otherwise the subtree's root is part of the proof.
  if (!startsAtZero) proof.push(subtreeRoot(leafHashes, start, end));
  return proof.reverse();
}

export interface ConsistencyProof {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly newSize: number;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** True when the new tree has the old one as its beginning (RFC 9162 section 2.1.4.2). Never throws on bad proofs. */
export function verifyConsistency(claim: ConsistencyProof): boolean {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim;
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize) || oldSize < 0 || oldSize > newSize)
    return false;
  if ([oldRoot, newRoot, ...proof].some((hash) => hash.length !== EMPTY_ROOT.length)) return false;
  if (oldSize === 0) {
    return (
      proof.length === 0 &&
      constantTimeEqual(oldRoot, EMPTY_ROOT) &&
      (newSize > 0 || constantTimeEqual(newRoot, EMPTY_ROOT))
    );
  }
  if (oldSize === newSize) return proof.length === 0 && constantTimeEqual(oldRoot, newRoot);
  // A complete old tree is a subtree of the new one: its root opens the path.
  const path = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : [...proof];
  const [seed] = path;
  if (seed === undefined) return false;
  let position = oldSize - 1;
  let last = newSize - 1;
  while (position % 2 === 1) {
    position = half(position);
    last = half(last);
  }
  let foundOld = seed;
  let foundNew = seed;
  for (const sibling of path.slice(1)) {
    if (last === 0) return false;
    if (position % 2 === 1 || position === last) {
      foundOld = nodeHash(sibling, foundOld);
      foundNew = nodeHash(sibling, foundNew);
      while (position % 2 === 0 && position !== 0) {
        position = half(position);
        last = half(last);
      }
    } else {
      foundNew = nodeHash(foundNew, sibling);
    }
    position = half(position);
    last = half(last);
  }
  return last === 0 && constantTimeEqual(foundOld, oldRoot) && constantTimeEqual(foundNew, newRoot);
}

/** Root of the leaves from `start` up to, not including, `end`; at least one leaf. */
function subtreeRoot(leafHashes: readonly Uint8Array[], start: number, end: number): Uint8Array {
  if (end - start === 1) {
    const leaf = leafHashes[start];
    if (leaf === undefined) throw new RangeError(`no leaf ${start}`);
    return leaf;
  }
  const middle = start + largestPowerBelow(end - start);
  return nodeHash(subtreeRoot(leafHashes, start, middle), subtreeRoot(leafHashes, middle, end));
}

/** The largest power of two smaller than `size`, which is at least 2. */
function largestPowerBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

/** Bit shifts of JavaScript stop at 32 bits; tree sizes do not. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return value === 1 || largestPowerBelow(value) * 2 === value;
}
