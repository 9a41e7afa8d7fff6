/** Keys, algorithms and signatures as the checker is given them, without a certificate around them. */
import { randomBytes, type KeyObject } from 'node:crypto';
import { createCache } from '../../src/cache.ts';
import { decodeSubjectPublicKeyInfo } from '../../src/certificate/parse-certificate.ts';
import { decodeAlgorithmIdentifier } from '../../src/certificate/name.ts';
import type { AlgorithmIdentifier, SubjectPublicKeyInfo } from '../../src/certificate/types.ts';
import { DerReader } from '../../src/der/reader.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import { createSignatureChecker, type SignatureCache } from '../../src/signature/checker.ts';
import { DEFAULT_ALGORITHMS, type AlgorithmPolicy } from '../../src/signature/policy.ts';
import { isFailure, type PublicKey, type SignatureChecker, type Signed } from '../../src/signature/types.ts';
import { startWork } from '../../src/work.ts';

export const algorithmOf = (der: Uint8Array): AlgorithmIdentifier =>
  decodeAlgorithmIdentifier(new DerReader(der));

export const spkiOf = (der: Uint8Array): SubjectPublicKeyInfo =>
  decodeSubjectPublicKeyInfo(new DerReader(der));

export function checkerWith(
  policy: AlgorithmPolicy = DEFAULT_ALGORITHMS,
  cache: SignatureCache = createCache(),
  limits: Partial<Limits> = {},
): SignatureChecker {
  return createSignatureChecker(policy, cache, startWork({ ...DEFAULT_LIMITS, ...limits }));
}

export function loadedKey(spki: Uint8Array, policy?: AlgorithmPolicy): PublicKey {
  const key = checkerWith(policy).loadKey(spkiOf(spki));
  if (isFailure(key)) throw new Error(key.detail);
  return key;
}

/** Some octets, signed. */
export function signedBy(
  key: KeyObject,
  scheme: { readonly algorithm: Uint8Array; sign(key: KeyObject, tbs: Uint8Array): Uint8Array },
): Signed {
  const tbs = new Uint8Array(randomBytes(100));
  return { tbs, signatureAlgorithm: algorithmOf(scheme.algorithm), signatureValue: scheme.sign(key, tbs) };
}

/** `good`, or the reason. */
export function verdictOf(
  signed: Signed,
  spki: Uint8Array,
  policy: AlgorithmPolicy = DEFAULT_ALGORITHMS,
): string {
  const checker = checkerWith(policy);
  const key = checker.loadKey(spkiOf(spki));
  return isFailure(key) ? key.reason : (checker.check(signed, key)?.reason ?? 'good');
}
