/** ML-KEM-768 (FIPS 203) on the platform's implementation. */
import { createPrivateKey, createPublicKey, decapsulate, encapsulate, type KeyObject } from 'node:crypto';
import { bufferOf, bytesOf } from './bytes.ts';

export const ML_KEM_768 = Object.freeze({ seed: 64, encapsulationKey: 1184, ciphertext: 1088, secret: 32 }); // FIPS 203 table 3

/** The decapsulation key of a 64-byte seed d ‖ z (FIPS 203 algorithm 16). */
export function mlKem768PrivateKey(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: bufferOf(seed), format: 'raw-seed', asymmetricKeyType: 'ml-kem-768' });
}

/** The 1184-byte encapsulation key. */
export function mlKem768Public(privateKey: KeyObject): Uint8Array {
  return bytesOf(createPublicKey(privateKey).export({ format: 'raw-public' }));
}

/** A fresh secret for the holder of the key, or undefined when the key is malformed (FIPS 203 section 7.2). */
export function mlKem768Encapsulate(
  encapsulationKey: Uint8Array,
): { ciphertext: Uint8Array; secret: Uint8Array } | undefined {
  if (encapsulationKey.length !== ML_KEM_768.encapsulationKey) return undefined;
  try {
    const key = createPublicKey({
      key: bufferOf(encapsulationKey),
      format: 'raw-public',
      asymmetricKeyType: 'ml-kem-768',
    });
    const { ciphertext, sharedKey } = encapsulate(key);
    return { ciphertext: bytesOf(ciphertext), secret: bytesOf(sharedKey) };
  } catch {
    return undefined; // the modulus check is the platform's
  }
}

/**
 * The secret, or undefined when the ciphertext has the wrong length. A forged ciphertext gives a pseudorandom secret
 * (implicit rejection, FIPS 203 algorithm 18): what is keyed by it fails later.
 */
export function mlKem768Decapsulate(privateKey: KeyObject, ciphertext: Uint8Array): Uint8Array | undefined {
  if (ciphertext.length !== ML_KEM_768.ciphertext) return undefined;
  try {
    return bytesOf(decapsulate(privateKey, ciphertext));
  } catch {
    return undefined;
  }
}
