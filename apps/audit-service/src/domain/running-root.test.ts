import { merkleRoot, sha256 } from '@sallyport/crypto';
import { expect, test } from 'vitest';
import { RunningRoot } from './running-root.ts';

test('is the RFC 9162 root at every size', () => {
  const hashes: Uint8Array[] = [];
  const running = new RunningRoot();
  for (let size = 0; size <= 70; size++) {
    expect(running.size).toBe(size);
    expect(running.root()).toEqual(merkleRoot(hashes));
    const next = sha256(Uint8Array.of(size));
    hashes.push(next);
    running.push(next);
  }
});
