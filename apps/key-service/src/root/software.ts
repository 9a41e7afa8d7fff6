/**
 * Wrapping under a root key that is in this process's memory.
 *
 *     wrapped   version u8 = 1 | aead u16 | root key id 8 | nonce 12 | ciphertext ‖ tag 16
 *
 * The id is derived from the key, so that another root key's bytes are told apart without trying to open them. One wrap
 * per key version: far from any bound on random nonces (NIST SP 800-38D section 8.3).
 */
import type { KeyObject } from 'node:crypto';
import {
  AES_256_GCM,
  aead,
  concatBytes,
  constantTimeEqual,
  hmacSha256,
  randomBytes,
  utf8,
} from '@sallyport/crypto';
import type { RootKey } from '../app/ports.ts';

const LAYOUT_VERSION = 1;
const ID_BYTES = 8;
const HEADER_BYTES = 1 + 2 + ID_BYTES;

/** `key`: 32 bytes. */
export function softwareRootKey(key: KeyObject): RootKey {
  const cipher = aead(AES_256_GCM);
  const id = hmacSha256(key, utf8('sallyport1 root key id')).slice(0, ID_BYTES);
  const header = concatBytes(Uint8Array.of(LAYOUT_VERSION, AES_256_GCM.id >> 8, AES_256_GCM.id & 0xff), id);
  return {
    wrap: async (plaintext, context) => {
      const iv = randomBytes(AES_256_GCM.ivLength);
      const sealed = cipher.seal({ key, iv, aad: concatBytes(header, context), plaintext });
      return concatBytes(header, iv, sealed);
    },
    unwrap: async (wrapped, context) => {
      const body = HEADER_BYTES + AES_256_GCM.ivLength;
      if (wrapped.length < body || !constantTimeEqual(wrapped.subarray(0, HEADER_BYTES), header))
        return undefined;
      return cipher.open({
        key,
        iv: wrapped.subarray(HEADER_BYTES, body),
        aad: concatBytes(header, context),
        sealed: wrapped.subarray(body),
      });
    },
  };
}
