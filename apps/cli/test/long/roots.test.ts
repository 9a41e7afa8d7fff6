import { leafHash, merkleRoot } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import { rootsAt } from './roots.ts';

test('every prefix of a log has the root that the tree of it has', () => {
  const leaves = Array.from({ length: 70 }, (_, index) => leafHash(Uint8Array.of(index)));
  const sizes = Array.from({ length: 72 }, (_, size) => size);
  const roots = rootsAt(leaves, new Set(sizes));
  for (const size of sizes.slice(0, 71)) expect(roots.get(size)).toEqual(merkleRoot(leaves.slice(0, size)));
  expect(roots.get(71)).toBeUndefined();
});
