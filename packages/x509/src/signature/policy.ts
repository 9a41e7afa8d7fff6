/** Which algorithms and keys are taken. What no policy names is refused. */
import type { KeyKind, SignatureName } from './types.ts';

export interface AlgorithmPolicy {
  readonly signatures: ReadonlySet<SignatureName>;
  readonly keys: ReadonlySet<KeyKind>;
  /** Of every RSA key in a path, the leaf's and the anchor's included. The most bounds what 128 signature checks can cost. */
  readonly rsaModulusBits: { readonly min: number; readonly max: number };
  /** The least public exponent; it is odd in any case, and below 2^33, which keeps a check cheap. */
  readonly rsaMinExponent: number;
}

/** 112 bits of security and more (NIST SP 800-57 part 1), SHA-2, named curves. */
export const DEFAULT_ALGORITHMS: AlgorithmPolicy = {
  signatures: new Set<SignatureName>([
    'rsa-pkcs1-sha256',
    'rsa-pkcs1-sha384',
    'rsa-pkcs1-sha512',
    'rsa-pss-sha256',
    'rsa-pss-sha384',
    'rsa-pss-sha512',
    'ecdsa-sha256',
    'ecdsa-sha384',
    'ecdsa-sha512',
    'ed25519',
    'ml-dsa-44',
    'ml-dsa-65',
    'ml-dsa-87',
  ]),
  keys: new Set<KeyKind>([
    'rsa',
    'rsa-pss',
    'ec-p256',
    'ec-p384',
    'ec-p521',
    'ed25519',
    'x25519',
    'ml-dsa-44',
    'ml-dsa-65',
    'ml-dsa-87',
  ]),
  rsaModulusBits: { min: 2_048, max: 8_192 },
  rsaMinExponent: 3, // RFC 8017 section 3.1
};

/** What else the archives of the last century need: SHA-1, MD5, DSA and RSA from 1024 bits. Collisions are for sale. */
export function unsafeLegacyAlgorithms(): AlgorithmPolicy {
  return {
    ...DEFAULT_ALGORITHMS,
    signatures: new Set<SignatureName>([
      ...DEFAULT_ALGORITHMS.signatures,
      'rsa-pkcs1-sha1',
      'rsa-pkcs1-md5',
      'rsa-pss-sha1',
      'ecdsa-sha1',
      'dsa-sha1',
      'dsa-sha256',
    ]),
    keys: new Set<KeyKind>([...DEFAULT_ALGORITHMS.keys, 'dsa']),
    rsaModulusBits: { min: 1_024, max: DEFAULT_ALGORITHMS.rsaModulusBits.max },
  };
}
