import { concatBytes, randomBytes, toHex } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataKeyHeader, encodeCiphertext, itemHeader, parseCiphertext } from './ciphertext.ts';
import { MAX_PLAINTEXT_BYTES } from './limits.ts';

const nonce = randomBytes(12);
const item = encodeCiphertext({ header: itemHeader(7), nonce, sealed: randomBytes(20) });
const dataKey = encodeCiphertext({ header: dataKeyHeader(randomBytes(16)), nonce, sealed: randomBytes(48) });

function patched(bytes: Uint8Array, at: number, ...values: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  return copy;
}

describe('ciphertext layout', () => {
  it('writes an item as specified', () => {
    expect(toHex(itemHeader(0x01020304))).toBe('0101000201020304');
    expect(parseCiphertext(item)).toMatchObject({ kind: 'item', keyVersion: 7, nonce });
  });

  it('writes a data key as specified', () => {
    const id = new Uint8Array(16).fill(0xab);
    expect(toHex(dataKeyHeader(id))).toBe(`01020002${'ab'.repeat(16)}`);
    expect(parseCiphertext(dataKey)).toMatchObject({ kind: 'data-key', nonce });
  });

  it('gives back what it was given', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.uint8Array({ minLength: 16, maxLength: 300 }),
        (version, sealed) => {
          const bytes = encodeCiphertext({ header: itemHeader(version), nonce, sealed });
          const parsed = parseCiphertext(bytes);
          expect(parsed).toMatchObject({ kind: 'item', keyVersion: version, sealed });
          expect(parsed && encodeCiphertext(parsed)).toEqual(bytes);
        },
      ),
    );
  });

  it('is total on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const parsed = parseCiphertext(noise);
        if (parsed !== undefined) expect(encodeCiphertext(parsed)).toEqual(noise);
      }),
    );
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a lone version', Uint8Array.of(1)],
    ['layout version 0', patched(item, 0, 0)],
    ['layout version 2', patched(item, 0, 2)],
    ['form 0', patched(item, 1, 0)],
    ['form 3', patched(item, 1, 3)],
    ['an AEAD that is not in the table', patched(item, 2, 0, 1)],
    ['key version 0', patched(item, 4, 0, 0, 0, 0)],
    ['an item one byte short of its tag', item.subarray(0, 8 + 12 + 15)],
    [
      'an item above the plaintext limit',
      encodeCiphertext({ header: itemHeader(1), nonce, sealed: new Uint8Array(MAX_PLAINTEXT_BYTES + 17) }),
    ],
    ['a data key one byte short', dataKey.subarray(0, dataKey.length - 1)],
    ['a data key with a byte over', concatBytes(dataKey, Uint8Array.of(0))],
    ['a data key cut in its header', dataKey.subarray(0, 10)],
  ])('refuses %s', (_, bytes) => {
    expect(parseCiphertext(bytes)).toBeUndefined();
  });
});
