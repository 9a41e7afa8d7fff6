/** Keys of access tokens as key-service has them: two algorithms, rotated at will. */
import type { KeyObject } from 'node:crypto';
import { ECDSA_P256, ED25519, randomBytes, toHex } from '@sallyport/crypto';
import { unavailable } from '@sallyport/service/errors';
import type { TokenAlgorithm, TokenKey, TokenKeys } from '../src/app/ports.ts';

export interface FakeTokenKeys extends TokenKeys {
  rotate(algorithm: TokenAlgorithm): void;
  isAway: boolean;
  /** Names of the calls, in order. */
  readonly calls: string[];
}

const ROWS = { EdDSA: ED25519, ES256: ECDSA_P256 } as const;

export function fakeTokenKeys(): FakeTokenKeys {
  let keys: (TokenKey & { readonly privateKey: KeyObject })[] = [];
  let made = 0;
  const called = (name: string) => {
    fake.calls.push(name);
    if (fake.isAway) throw unavailable('key-service is away');
  };
  const fake: FakeTokenKeys = {
    isAway: false,
    calls: [],
    rotate(algorithm) {
      const { publicKey, privateKey } = ROWS[algorithm].generate();
      keys = keys.map((key) => (key.algorithm === algorithm ? { ...key, isActive: false } : key));
      made += 1;
      const keyId = toHex(randomBytes(16));
      keys.unshift({ keyId, algorithm, publicKey, privateKey, isActive: true, createdAt: made });
    },
    sign: async (algorithm, message) => {
      called('sign');
      const key = keys.find((each) => each.algorithm === algorithm && each.isActive);
      if (key === undefined) throw new Error('no key');
      return { keyId: key.keyId, signature: ROWS[algorithm].sign(key.privateKey, message) };
    },
    list: async () => {
      called('list');
      return keys;
    },
  };
  fake.rotate('EdDSA');
  fake.rotate('ES256');
  return fake;
}
