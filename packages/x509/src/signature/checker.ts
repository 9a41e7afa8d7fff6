/** Verifies signatures under a policy, each at most once as long as the cache remembers it. */
import { constants, verify } from 'node:crypto';
import { readDer } from '../der/reader.ts';
import { SEQUENCE } from '../der/tags.ts';
import type { Failure } from '../reasons.ts';
import type { Work } from '../work.ts';
import { signatureAlgorithm, type SignatureAlgorithm } from './algorithms.ts';
import type { AlgorithmPolicy } from './policy.ts';
import { inspectKey, keyId, publicKey, type KeyFacts } from './public-key.ts';
import { isFailure, type PublicKey, type SignatureChecker, type Signed, type SubjectKey } from './types.ts';

/** What checks remember of each other (`Cache` of this package has it). Nothing in it depends on a policy. */
export interface SignatureCache {
  readonly signatures: { get(key: string): boolean | undefined; set(key: string, value: boolean): unknown };
  readonly keys: { get(key: string): PublicKey | undefined; set(key: string, value: PublicKey): unknown };
}

/** Keys that were read once, for as long as what they were read from. */
const loaded = new WeakMap<SubjectKey, PublicKey>();

export function createSignatureChecker(
  policy: AlgorithmPolicy,
  cache: SignatureCache,
  work: Work,
): SignatureChecker {
  return {
    judgeKey(spki, inherited) {
      const key = loaded.get(spki) ?? inspectKey(spki, inherited);
      return isFailure(key) ? key : keyRefusal(key, policy);
    },

    loadKey(spki, inherited) {
      const key = remembered(spki, inherited, cache);
      return isFailure(key) ? key : (keyRefusal(key, policy) ?? key);
    },

    check(signed, key) {
      const algorithm = signatureAlgorithm(signed.signatureAlgorithm);
      const refusal = algorithmRefusal(signed, algorithm, policy) ?? keyRefusal(key, policy);
      if (refusal !== undefined || algorithm === undefined) return refusal;
      if (!suits(algorithm, key)) return invalid(`a signature by ${algorithm.name} and a key of ${key.kind}`);

      const cacheKey = signed.fingerprint === undefined ? undefined : `${signed.fingerprint} ${key.id}`;
      const known = cacheKey === undefined ? undefined : cache.signatures.get(cacheKey);
      if (known !== undefined) return known ? undefined : invalid('the signature does not verify');

      work.spend('signatureChecks', costOf(key));
      if (key.keyObject() === undefined)
        return { reason: 'key_refused', section: 'RFC 5280 section 4.1.2.7', detail: `no ${key.kind} key` };
      const isGood = isWellFormed(algorithm, key, signed.signatureValue) && verifies(algorithm, key, signed);
      if (cacheKey !== undefined) cache.signatures.set(cacheKey, isGood);
      return isGood ? undefined : invalid('the signature does not verify');
    },
  };
}

function remembered(
  spki: SubjectKey,
  inherited: PublicKey | undefined,
  cache: SignatureCache,
): PublicKey | Failure {
  const own = loaded.get(spki);
  if (own !== undefined) return own;
  const id = keyId(spki, inherited);
  let key = cache.keys.get(id);
  if (key === undefined) {
    const facts = inspectKey(spki, inherited);
    if (isFailure(facts)) return facts;
    key = publicKey(id, spki.algorithm.oid, facts);
    cache.keys.set(id, key);
  }
  if (key.parameters === undefined) loaded.set(spki, key); // what may be inherited depends on the path
  return key;
}

function algorithmRefusal(
  signed: Signed,
  algorithm: SignatureAlgorithm | undefined,
  policy: AlgorithmPolicy,
): Failure | undefined {
  if (algorithm !== undefined && policy.signatures.has(algorithm.name)) return undefined;
  const name = algorithm?.name ?? `unknown algorithm or wrong parameters, ${signed.signatureAlgorithm.oid}`;
  return { reason: 'algorithm_refused', section: 'RFC 5280 section 4.1.1.2', detail: name };
}

/** Holds a key against a policy. */
function keyRefusal(
  key: Pick<KeyFacts, 'kind' | 'modulusBits' | 'exponent'>,
  policy: AlgorithmPolicy,
): Failure | undefined {
  if (!policy.keys.has(key.kind)) return keyRefused(`keys of ${key.kind} are not taken`);
  const { modulusBits, exponent } = key;
  if (modulusBits === undefined || exponent === undefined) return undefined;
  const { min, max } = policy.rsaModulusBits;
  if (modulusBits < min || modulusBits > max) return keyRefused(`an RSA modulus of ${modulusBits} bits`);
  if (exponent % 2 === 0 || exponent < Math.max(3, policy.rsaMinExponent) || exponent > MAX_RSA_EXPONENT)
    return keyRefused('an RSA public exponent that is even, too small or too large');
  return undefined;
}

const MAX_RSA_EXPONENT = 2 ** 33;

function keyRefused(detail: string): Failure {
  return { reason: 'key_refused', section: 'RFC 5280 section 4.1.2.7', detail };
}

function invalid(detail: string): Failure {
  return { reason: 'signature_invalid', section: 'RFC 5280 section 6.1.3 (a)(1)', detail };
}

function suits(algorithm: SignatureAlgorithm, key: PublicKey): boolean {
  if (!algorithm.keys.includes(key.kind)) return false;
  if (key.pss === undefined || algorithm.pss === undefined) return true;
  // RFC 4055 section 3.3: the same hash as the key says, and at least as much salt.
  return algorithm.pss.hash === key.pss.hash && algorithm.pss.saltLength >= key.pss.saltLength;
}

/** In the slowest of common keys, so that the count bounds the time as well. */
function costOf({ kind, modulusBits = 0 }: PublicKey): number {
  if (kind === 'ec-p521') return 2;
  return modulusBits <= 4_096 ? 1 : Math.ceil((modulusBits / 4_096) ** 2);
}

/** What node:crypto might be lenient about. */
function isWellFormed(algorithm: SignatureAlgorithm, key: PublicKey, value: Uint8Array): boolean {
  switch (algorithm.scheme) {
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return value.length === Math.ceil((key.modulusBits ?? 0) / 8); // RFC 8017 sections 8.1.2 and 8.2.2, step 1
    case 'ecdsa':
    case 'dsa':
      return isPairOfIntegers(value);
    case 'pure':
      return true;
  }
}

/** Ecdsa-Sig-Value and Dss-Sig-Value (RFC 3279 section 2.2): DER and positive. That both are below the order is verified. */
function isPairOfIntegers(value: Uint8Array): boolean {
  return readDer(value, 256, (reader) => {
    const outer = reader.open(SEQUENCE);
    for (let count = 0; count < 2; count += 1) {
      const integer = reader.integer();
      const first = integer[0] ?? 0;
      if (first >= 0x80 || (first === 0 && integer.length === 1)) reader.fail('not positive');
    }
    reader.close(outer);
  }).ok;
}

function verifies(algorithm: SignatureAlgorithm, key: PublicKey, signed: Signed): boolean {
  const keyObject = key.keyObject();
  if (keyObject === undefined) return false;
  const { pss } = algorithm;
  const options =
    pss === undefined
      ? keyObject
      : { key: keyObject, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: pss.saltLength };
  try {
    return verify(algorithm.digest, signed.tbs, options, signed.signatureValue);
  } catch {
    return false;
  }
}
