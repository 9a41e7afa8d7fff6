/** What every provider of the root key must do. */
import { concatBytes, randomBytes, utf8 } from '@sallyport/crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RootKey } from '../../src/app/ports.ts';

export interface RootKeysUnderTest extends AsyncDisposable {
  readonly root: RootKey;
  /** Another key of the same provider. */
  readonly other: RootKey;
}

export function rootKeyContract(name: string, open: () => Promise<RootKeysUnderTest>): void {
  describe(`root key: ${name}`, () => {
    const context = utf8('the identity of a key');
    const key = randomBytes(32);
    let under: RootKeysUnderTest;
    let wrapped: Uint8Array;
    beforeAll(async () => {
      under = await open();
      wrapped = await under.root.wrap(key, context);
    });
    afterAll(async () => {
      await under[Symbol.asyncDispose]();
    });

    it('opens what it wrapped', async () => {
      expect(await under.root.unwrap(wrapped, context)).toEqual(key);
    });

    it('never wraps twice to the same bytes', async () => {
      expect(await under.root.wrap(key, context)).not.toEqual(wrapped);
    });

    it('opens nothing with a flipped bit, wherever it is', async () => {
      for (let at = 0; at < wrapped.length; at += 1) {
        const tampered = Uint8Array.from(wrapped);
        tampered[at] = (tampered[at] ?? 0) ^ 1;
        expect(await under.root.unwrap(tampered, context), `byte ${at}`).toBeUndefined();
      }
    });

    it('opens nothing that was cut, at any length', async () => {
      for (let length = 0; length < wrapped.length; length += 1) {
        expect(await under.root.unwrap(wrapped.subarray(0, length), context), `${length}`).toBeUndefined();
      }
    });

    it('opens nothing with a byte over, in another context, or under another key', async () => {
      expect(await under.root.unwrap(concatBytes(wrapped, Uint8Array.of(0)), context)).toBeUndefined();
      expect(await under.root.unwrap(wrapped, utf8('another identity'))).toBeUndefined();
      expect(await under.root.unwrap(wrapped, new Uint8Array(0))).toBeUndefined();
      expect(await under.other.unwrap(wrapped, context)).toBeUndefined();
    });
  });
}
