/** What this package knows about algorithms and keys: rows of one table, and keys that are read as far as is needed. */
import type { KeyObject } from 'node:crypto';
import type { AlgorithmIdentifier, Oid } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';

/** Every signature algorithm that can be verified. Those with `sha1`, `md5` or `dsa` are for unsafe policies alone. */
export type SignatureName =
  | `rsa-pkcs1-${'sha256' | 'sha384' | 'sha512' | 'sha1' | 'md5'}`
  | `rsa-pss-${'sha256' | 'sha384' | 'sha512' | 'sha1'}`
  | `ecdsa-${'sha256' | 'sha384' | 'sha512' | 'sha1'}`
  | `dsa-${'sha1' | 'sha256'}`
  | 'ed25519'
  | MlDsaName;

type MlDsaName = 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';

/** Every kind of key that can be read. `x25519` signs nothing: it is a leaf's. */
export type KeyKind =
  'rsa' | 'rsa-pss' | 'ec-p256' | 'ec-p384' | 'ec-p521' | 'ed25519' | 'x25519' | 'dsa' | MlDsaName;

/**
 * A subject's public key, checked as far as its octets show (algorithm, parameters, length, form). The costly part,
 * a KeyObject, is made when a signature is verified and then kept.
 */
export interface PublicKey {
  /** The same exactly for the same key and parameters: SHA-256, lower-case hex. */
  readonly id: string;
  readonly kind: KeyKind;
  /** Of an RSA modulus; undefined for other kinds. */
  readonly modulusBits: number | undefined;
  /** Of an RSA key; undefined for other kinds. */
  readonly exponent: number | undefined;
  /** RFC 4055 section 1.2: what an id-RSASSA-PSS key restricts its signatures to; undefined when nothing. */
  readonly pss: PssParameters | undefined;
  /** RFC 5280 section 6.1.4 (f): the working_public_key_parameters, own or inherited, which a DSA key below may inherit. */
  readonly parameters: Uint8Array | undefined;
  /** Of `parameters`: they are inherited only by a key of the same algorithm. */
  readonly algorithm: Oid;
  /** Undefined when node:crypto finds that it is no key. */
  keyObject(): KeyObject | undefined;
}

/** RFC 4055 section 3.1, where the mask generation function's hash is the message's and the trailer field is 1. */
export interface PssParameters {
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512';
  readonly saltLength: number;
}

/** What is signed, with its signature: a certificate, a CRL or an OCSP response. */
export interface Signed {
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signatureValue: Uint8Array;
  /** Of the whole with its signature; where it is there, the answer is remembered. */
  readonly fingerprint?: string;
}

/** Verifies under one policy, with one cache, within one validation's limits. */
export interface SignatureChecker {
  /**
   * Reads a key and holds it against the policy: `key_refused` or `algorithm_refused`. `inherited` is the issuer's key,
   * whose DSA parameters a key without any takes over (RFC 5280 section 6.1.4 (e)).
   */
  loadKey(spki: SubjectKey, inherited?: PublicKey): PublicKey | Failure;
  /** As `loadKey`, for a key that will verify nothing: it is held against the policy and not kept. */
  judgeKey(spki: SubjectKey, inherited?: PublicKey): Failure | undefined;
  /**
   * Undefined: the signature is good. Otherwise `algorithm_refused`, `key_refused` or `signature_invalid`. Throws
   * `WorkLimitExceeded` for the caller of `validate`.
   */
  check(signed: Signed, key: PublicKey): Failure | undefined;
}

/** SubjectPublicKeyInfo of a certificate or an anchor. */
export interface SubjectKey {
  readonly der: Uint8Array;
  readonly algorithm: AlgorithmIdentifier;
  readonly bits: Uint8Array;
}

export function isFailure(value: object): value is Failure {
  return 'reason' in value && 'section' in value;
}
