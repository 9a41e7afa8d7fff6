import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex, utf8 } from './bytes.ts';
import {
  consistencyProof,
  emptyRoot,
  inclusionPath,
  leafHash,
  merkleRoot,
  nodeHash,
  rootFromInclusion,
  verifyConsistency,
} from './merkle.ts';

const leaves = (count: number) => Array.from({ length: count }, (_, at) => leafHash(utf8(`leaf ${at}`)));

describe('roots of the certificate-transparency reference tree', () => {
  const entries = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const known: readonly (readonly [number, string])[] = [
    [0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [1, '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'],
    [2, 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'],
    [3, 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77'],
    [7, 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'],
    [8, '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328'],
  ];
  it.each(known)('%i leaves', (count, root) => {
    const hashes = entries.slice(0, count).map((hex) => leafHash(fromHex(hex) ?? new Uint8Array(0)));
    expect(toHex(merkleRoot(hashes))).toBe(root);
  });

  it('never duplicates the last leaf', () => {
    const [a, b, c] = leaves(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three leaves');
    expect(merkleRoot([a, b, c])).toEqual(nodeHash(nodeHash(a, b), c));
    expect(merkleRoot([a, b, c])).not.toEqual(merkleRoot([a, b, c, c]));
  });
});

describe('inclusion proofs', () => {
  it('lead to the root for every leaf of every tree up to 40', () => {
    for (let size = 1; size <= 40; size += 1) {
      const hashes = leaves(size);
      const root = merkleRoot(hashes);
      hashes.forEach((leaf, index) => {
        expect(
          rootFromInclusion({ leafHash: leaf, index, size, path: inclusionPath(hashes, index) }),
        ).toEqual(root);
      });
    }
  });

  it('do not lead there with any other index, size or path', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 70 }), fc.nat(), fc.nat(), (size, pick, other) => {
        const hashes = leaves(size);
        const index = pick % size;
        const path = inclusionPath(hashes, index);
        const wrongIndex = other % size;
        const leaf = hashes[index] ?? emptyRoot();
        const root = merkleRoot(hashes);
        if (wrongIndex !== index) {
          expect(rootFromInclusion({ leafHash: leaf, index: wrongIndex, size, path })).not.toEqual(root);
        }
        expect(rootFromInclusion({ leafHash: leaf, index, size, path: path.slice(1) })).not.toEqual(root);
        expect(rootFromInclusion({ leafHash: leaf, index, size, path: [...path, root] })).toBeUndefined();
      }),
    );
  });

  it.each([
    ['an index beyond the tree', { index: 3, size: 3 }],
    ['a negative index', { index: -1, size: 3 }],
    ['a fraction', { index: 0.5, size: 3 }],
    ['an empty tree', { index: 0, size: 0 }],
  ])('refuse %s', (_name, position) => {
    expect(rootFromInclusion({ leafHash: emptyRoot(), path: [], ...position })).toBeUndefined();
  });

  it('refuse a sibling that is not a hash', () => {
    const [leaf = emptyRoot()] = leaves(1);
    expect(
      rootFromInclusion({ leafHash: leaf, index: 0, size: 2, path: [new Uint8Array(31)] }),
    ).toBeUndefined();
  });

  it('refuse a leaf that is not a hash', () => {
    const path = [emptyRoot()];
    expect(rootFromInclusion({ leafHash: new Uint8Array(31), index: 0, size: 2, path })).toBeUndefined();
    expect(rootFromInclusion({ leafHash: new Uint8Array(0), index: 0, size: 1, path: [] })).toBeUndefined();
  });

  it('cannot be made for a leaf that is not there', () => {
    expect(() => inclusionPath(leaves(3), 3)).toThrow(RangeError);
  });
});

describe('consistency proofs', () => {
  it('hold between every two sizes up to 33, and not for another old root', () => {
    const hashes = leaves(33);
    for (let newSize = 0; newSize <= 33; newSize += 1) {
      const newRoot = merkleRoot(hashes.slice(0, newSize));
      for (let oldSize = 0; oldSize <= newSize; oldSize += 1) {
        const oldRoot = merkleRoot(hashes.slice(0, oldSize));
        const proof = consistencyProof(hashes.slice(0, newSize), oldSize);
        expect(verifyConsistency({ oldSize, oldRoot, newSize, newRoot, proof })).toBe(true);
        const forged = oldRoot.slice();
        forged[0] = (forged[0] ?? 0) ^ 1;
        expect(verifyConsistency({ oldSize, oldRoot: forged, newSize, newRoot, proof })).toBe(false);
      }
    }
  });

  it.each([
    ['a hash is missing', (proof: Uint8Array[]) => proof.slice(1)],
    ['a hash is added', (proof: Uint8Array[]) => [...proof, emptyRoot()]],
    ['hashes are swapped', (proof: Uint8Array[]) => proof.toReversed()],
    ['a hash is short', (proof: Uint8Array[]) => proof.map((hash) => hash.subarray(1))],
    ['the proof is empty', () => []],
  ])('fail when %s', (_name, change) => {
    const hashes = leaves(11);
    const claim = {
      oldSize: 6,
      oldRoot: merkleRoot(hashes.slice(0, 6)),
      newSize: 11,
      newRoot: merkleRoot(hashes),
    };
    const proof = consistencyProof(hashes, 6);
    expect(verifyConsistency({ ...claim, proof })).toBe(true);
    expect(verifyConsistency({ ...claim, proof: change(proof) })).toBe(false);
  });

  it.each([1, 2, 3, 4])('fail when the old root of %i leaves is not a hash', (oldSize) => {
    const hashes = leaves(5);
    const proof = consistencyProof(hashes, oldSize);
    const claim = { oldSize, newSize: 5, newRoot: merkleRoot(hashes), proof };
    expect(verifyConsistency({ ...claim, oldRoot: new Uint8Array(31) })).toBe(false);
  });

  it('fail when the tree shrank', () => {
    const root = merkleRoot(leaves(2));
    expect(verifyConsistency({ oldSize: 3, oldRoot: root, newSize: 2, newRoot: root, proof: [] })).toBe(
      false,
    );
  });
});
