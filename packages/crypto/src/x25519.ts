/** X25519 (RFC 7748) with the check that RFC 7748 section 6.1 leaves to the protocol. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { bufferOf, bytesOf, constantTimeEqual } from './bytes.ts';

export const X25519_LENGTH = 32;
const ZERO = new Uint8Array(X25519_LENGTH);

/** The private key of 32 raw bytes, copied: the caller may wipe them. The platform clamps them (RFC 7748 section 5). */
export function x25519PrivateKey(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: bufferOf(raw), format: 'raw-private', asymmetricKeyType: 'x25519' });
}

/** The 32-byte public value that belongs to a private or public key. */
export function x25519Public(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return bytesOf(publicKey.export({ format: 'raw-public' }));
}

/**
 * The shared secret, or undefined when the peer's value has the wrong length or leads to the all-zero secret, which a
 * point of small order does whatever our key is. The caller wipes the result.
 */
export function x25519Agree(privateKey: KeyObject, peer: Uint8Array): Uint8Array | undefined {
  if (peer.length !== X25519_LENGTH) return undefined;
  try {
    const publicKey = createPublicKey({
      key: bufferOf(peer),
      format: 'raw-public',
      asymmetricKeyType: 'x25519',
    });
    const secret = bytesOf(diffieHellman({ privateKey, publicKey }));
    return constantTimeEqual(secret, ZERO) ? undefined : secret;
  } catch {
    return undefined; // OpenSSL refuses the all-zero secret itself
  }
}
