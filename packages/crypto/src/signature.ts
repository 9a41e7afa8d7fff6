/** Signatures: one table of algorithms; code receives a row of it, never a name. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { bufferOf, bytesOf, concatBytes, utf8 } from './bytes.ts';
import { ED25519_PUBLIC_LENGTH, isAcceptableEd25519Public } from './ed25519-public.ts';

export type SignatureName = 'Ed25519' | 'P-256';

export interface SignatureKeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface SignatureRow {
  readonly name: SignatureName;
  /** Number in the IANA TLS SignatureScheme registry; the wire format uses it. */
  readonly id: number;
  readonly publicKeyLength: number;
  readonly signatureLength: number;
  /** A fresh key pair. */
  generate(): SignatureKeyPair;
  /**
   * The key pair of a private key in its raw form: 32 bytes, the seed of RFC 8032 section 5.1.5, or the scalar of SEC 1
   * section 2.3.7. Throws on a wrong length or value.
   */
  keyPairFromRaw(rawPrivate: Uint8Array): SignatureKeyPair;
  sign(privateKey: KeyObject, message: Uint8Array): Uint8Array;
  /** False on any mismatch, also of key type or length. The key must have come from a check (see `publicKeyFromRaw`, `isAcceptable`). */
  verify(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array): boolean;
  /** The key, or undefined when it is malformed, not canonical or of small order. */
  publicKeyFromRaw(raw: Uint8Array): KeyObject | undefined;
  /** The raw form of a public key. Throws when the key is of another algorithm. */
  rawPublicKey(publicKey: KeyObject): Uint8Array;
  /** The checks of `publicKeyFromRaw` for a key that came from elsewhere, such as a certificate. */
  isAcceptable(publicKey: KeyObject): boolean;
}

export const ED25519: SignatureRow = Object.freeze({
  name: 'Ed25519',
  id: 0x0807,
  publicKeyLength: ED25519_PUBLIC_LENGTH,
  signatureLength: 64,
  generate: () => generateKeyPairSync('ed25519'),
  keyPairFromRaw(rawPrivate: Uint8Array) {
    const privateKey = createPrivateKey({
      key: bufferOf(rawPrivate),
      format: 'raw-private',
      asymmetricKeyType: 'ed25519',
    });
    return { privateKey, publicKey: createPublicKey(privateKey) };
  },
  sign: (privateKey: KeyObject, message: Uint8Array) => bytesOf(sign(null, message, privateKey)),
  verify(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array) {
    if (publicKey.asymmetricKeyType !== 'ed25519' || signature.length !== 64) return false;
    return verify(null, message, publicKey, signature); // OpenSSL refuses S ≥ L (RFC 8032 section 5.1.7)
  },
  publicKeyFromRaw(raw: Uint8Array) {
    if (!isAcceptableEd25519Public(raw)) return undefined;
    return createPublicKey({ key: bufferOf(raw), format: 'raw-public', asymmetricKeyType: 'ed25519' });
  },
  rawPublicKey(publicKey: KeyObject) {
    if (publicKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key');
    return bytesOf(publicKey.export({ format: 'raw-public' }));
  },
  isAcceptable(publicKey: KeyObject) {
    return (
      publicKey.asymmetricKeyType === 'ed25519' && isAcceptableEd25519Public(ED25519.rawPublicKey(publicKey))
    );
  },
});

const UNCOMPRESSED_POINT = 0x04; // SEC 1 section 2.3.3

/**
 * ECDSA on P-256 with SHA-256 (FIPS 186-5), signatures as r ‖ s of 32 bytes each (IEEE P1363): ES256 of RFC 7518 section
 * 3.4. For tokens that others verify; not of the channel, so not in its table.
 */
export const ECDSA_P256: SignatureRow = Object.freeze({
  name: 'P-256',
  id: 0x0403, // ecdsa_secp256r1_sha256
  publicKeyLength: 65,
  signatureLength: 64,
  generate: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  keyPairFromRaw(rawPrivate: Uint8Array) {
    const privateKey = createPrivateKey({
      key: bufferOf(rawPrivate),
      format: 'raw-private',
      asymmetricKeyType: 'ec',
      namedCurve: 'P-256',
    });
    return { privateKey, publicKey: createPublicKey(privateKey) };
  },
  sign: (privateKey: KeyObject, message: Uint8Array) =>
    bytesOf(sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  verify(publicKey: KeyObject, message: Uint8Array, signature: Uint8Array) {
    if (!isP256(publicKey) || signature.length !== 64) return false;
    return verify('sha256', message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
  },
  publicKeyFromRaw(raw: Uint8Array) {
    if (raw.length !== 65 || raw[0] !== UNCOMPRESSED_POINT) return undefined;
    try {
      return createPublicKey({
        key: bufferOf(raw),
        format: 'raw-public',
        asymmetricKeyType: 'ec',
        namedCurve: 'P-256',
      });
    } catch {
      return undefined; // not on the curve
    }
  },
  rawPublicKey(publicKey: KeyObject) {
    if (!isP256(publicKey)) throw new TypeError('not a P-256 key');
    return bytesOf(publicKey.export({ format: 'raw-public' }));
  },
  // Whatever the platform imports is on the curve, whose order is prime (SP 800-56A section 5.6.2.3.3).
  isAcceptable: isP256,
});

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** Every algorithm that the channel may use, the preferred one first. */
export const SIGNATURE_TABLE: readonly SignatureRow[] = Object.freeze([ED25519]);

/** The row of this name, or undefined: an unknown algorithm is refused by the caller. */
export function signatureRow(name: string): SignatureRow | undefined {
  return SIGNATURE_TABLE.find((row) => row.name === name);
}

/** The row of this wire number, or undefined. */
export function signatureRowById(id: number): SignatureRow | undefined {
  return SIGNATURE_TABLE.find((row) => row.id === id);
}

const CONTEXT_PADDING = new Uint8Array(64).fill(0x20);
const contexts = new Map<string, Uint8Array>();

/**
 * What is signed for a purpose: 64 spaces ‖ "sallyport1 " ‖ label ‖ 0x00 ‖ parts (the construction of RFC 8446 section
 * 4.4.3). The label keeps a signature for one purpose from serving another; the spaces keep it from being taken for
 * any format that starts with something else.
 */
export function signatureInput(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  let context = contexts.get(label);
  if (context === undefined) {
    context = concatBytes(CONTEXT_PADDING, utf8(`sallyport1 ${label}`), Uint8Array.of(0));
    if (contexts.size < 32) contexts.set(label, context);
  }
  return concatBytes(context, ...parts);
}
