/**
 * Public keys as certificates carry them (RFC 5280 section 4.1.2.7, RFC 3279, 4055, 5480, 8410, 9881), read from their
 * octets without node:crypto, whose parser costs as much as verifying a signature and takes forms that are refused here:
 * explicit curves, hybrid and compressed points, missing parameters.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { Oid } from '../certificate/types.ts';
import { readDer } from '../der/reader.ts';
import { BIT_STRING, SEQUENCE } from '../der/tags.ts';
import { writeElement, writeOid, writeSequence } from '../der/writer.ts';
import type { Failure } from '../reasons.ts';
import { isNull } from './algorithms.ts';
import { isOnCurve, mayBeEd25519Key, P256, P384, P521, type Curve } from './points.ts';
import { readPssParameters } from './pss-parameters.ts';
import type { KeyKind, PssParameters, PublicKey, SubjectKey } from './types.ts';

const ID_RSA: Oid = '1.2.840.113549.1.1.1';
const ID_RSASSA_PSS: Oid = '1.2.840.113549.1.1.10';
const ID_EC: Oid = '1.2.840.10045.2.1';
const ID_DSA: Oid = '1.2.840.10040.4.1';

/** RFC 5480 section 2.1.1.1: the whole DER of the parameters, and the octets of an uncompressed point. */
const CURVES: readonly {
  readonly kind: KeyKind;
  readonly parameters: Uint8Array;
  readonly length: number;
  readonly curve: Curve;
}[] = [
  { kind: 'ec-p256', parameters: writeOid('1.2.840.10045.3.1.7'), length: 65, curve: P256 },
  { kind: 'ec-p384', parameters: writeOid('1.3.132.0.34'), length: 97, curve: P384 },
  { kind: 'ec-p521', parameters: writeOid('1.3.132.0.35'), length: 133, curve: P521 },
];

/** Keys without parameters that are octets of one length: RFC 8410 section 4, RFC 9881 section 4. */
const PLAIN: ReadonlyMap<Oid, { readonly kind: KeyKind; readonly length: number }> = new Map<
  Oid,
  { kind: KeyKind; length: number }
>([
  ['1.3.101.112', { kind: 'ed25519', length: 32 }],
  ['1.3.101.110', { kind: 'x25519', length: 32 }],
  ['2.16.840.1.101.3.4.3.17', { kind: 'ml-dsa-44', length: 1_312 }],
  ['2.16.840.1.101.3.4.3.18', { kind: 'ml-dsa-65', length: 1_952 }],
  ['2.16.840.1.101.3.4.3.19', { kind: 'ml-dsa-87', length: 2_592 }],
]);

/** What the octets show; `spki` is what node:crypto is given. */
export interface KeyFacts {
  readonly kind: KeyKind;
  readonly modulusBits: number | undefined;
  readonly exponent: number | undefined;
  readonly pss: PssParameters | undefined;
  readonly parameters: Uint8Array | undefined;
  readonly spki: Uint8Array;
}

/** Policy is not looked at. `inherited` counts for DSA alone. */
export function inspectKey(spki: SubjectKey, inherited: PublicKey | undefined): KeyFacts | Failure {
  const { oid, parameters } = spki.algorithm;
  if (oid === ID_EC) return inspectEc(spki);
  if (oid === ID_RSA) {
    if (parameters === undefined || !isNull(parameters))
      return refused('RFC 3279 section 2.3.1', 'an RSA key whose parameters are not NULL');
    return inspectRsa(spki, 'rsa', undefined);
  }
  const plain = PLAIN.get(oid);
  if (plain !== undefined) return inspectPlain(spki, plain.kind, plain.length);
  if (oid === ID_RSASSA_PSS) return inspectRsaPss(spki);
  if (oid === ID_DSA) return inspectDsa(spki, inherited);
  return refused('RFC 5280 section 4.1.2.7', `a key of the unknown algorithm ${oid}`);
}

function inspectEc(spki: SubjectKey): KeyFacts | Failure {
  const { parameters } = spki.algorithm;
  const named =
    parameters && CURVES.find((candidate) => Buffer.compare(candidate.parameters, parameters) === 0);
  if (named === undefined) return refused('RFC 5480 section 2.1.1', 'an unknown or unnamed curve');
  if (spki.bits.length !== named.length || spki.bits[0] !== 0x04 || !isOnCurve(spki.bits, named.curve))
    return refused('RFC 5480 section 2.2', 'not an uncompressed point of its curve');
  return facts(spki, named.kind);
}

function inspectPlain(spki: SubjectKey, kind: KeyKind, length: number): KeyFacts | Failure {
  const section = kind.startsWith('ml-dsa') ? 'RFC 9881 section 4' : 'RFC 8410 section 4';
  if (spki.algorithm.parameters !== undefined) return refused(section, 'parameters where there are none');
  if (spki.bits.length !== length) return refused(section, `not a key of ${length} octets`);
  if (kind === 'ed25519' && !mayBeEd25519Key(spki.bits))
    return refused(section, 'a point of small order, or not in its one form');
  return facts(spki, kind);
}

function inspectRsaPss(spki: SubjectKey): KeyFacts | Failure {
  const { parameters } = spki.algorithm;
  if (parameters === undefined) return inspectRsa(spki, 'rsa-pss', undefined); // RFC 4055 section 1.2: no restriction
  const pss = readPssParameters(parameters);
  if (pss === undefined) return refused('RFC 4055 section 3.1', 'malformed or unknown RSASSA-PSS parameters');
  return inspectRsa(spki, 'rsa-pss', pss);
}

/** RSAPublicKey, RFC 8017 appendix A.1.1. */
function inspectRsa(
  spki: SubjectKey,
  kind: 'rsa' | 'rsa-pss',
  pss: PssParameters | undefined,
): KeyFacts | Failure {
  const parsed = readDer(spki.bits, spki.bits.length, (reader) => {
    const outer = reader.open(SEQUENCE);
    const modulus = reader.integer();
    const exponent = reader.unsigned();
    reader.close(outer);
    return { modulus, exponent };
  });
  if (!parsed.ok) return refused('RFC 3279 section 2.3.1', 'a malformed RSA key');
  const { modulus, exponent } = parsed.value;
  const first = modulus[0] ?? 0;
  const significant = first === 0 ? modulus.subarray(1) : modulus;
  const top = significant[0] ?? 0;
  if (first >= 0x80 || top === 0 || ((modulus.at(-1) ?? 0) & 1) === 0)
    return refused('RFC 8017 section 3.1', 'an RSA modulus that is not positive and odd');
  const modulusBits = significant.length * 8 - (Math.clz32(top) - 24);
  return { ...facts(spki, kind), modulusBits, exponent, pss };
}

/** RFC 3279 section 2.3.2; parameters that are absent are those of the issuer's key. */
function inspectDsa(spki: SubjectKey, inherited: PublicKey | undefined): KeyFacts | Failure {
  const own = spki.algorithm.parameters;
  if (own !== undefined && !isNull(own)) {
    const parsed = readDer(own, own.length, (reader) => {
      const outer = reader.open(SEQUENCE);
      for (let count = 0; count < 3; count += 1) reader.integer();
      reader.close(outer);
    });
    if (!parsed.ok) return refused('RFC 3279 section 2.3.2', 'malformed DSA parameters');
    return { ...facts(spki, 'dsa'), parameters: own };
  }
  // RFC 5280 section 6.1.4 (e): null or absent, and the issuer's key is of the same algorithm.
  const parameters = inherited?.algorithm === ID_DSA ? inherited.parameters : undefined;
  if (parameters === undefined)
    return refused('RFC 5280 section 6.1.4 (e)', 'no DSA parameters, and none to inherit');
  const whole = writeSequence(
    writeSequence(writeOid(ID_DSA), parameters),
    writeElement(BIT_STRING, Uint8Array.of(0), spki.bits),
  );
  return { ...facts(spki, 'dsa'), parameters, spki: whole };
}

function facts(spki: SubjectKey, kind: KeyKind): KeyFacts {
  return {
    kind,
    modulusBits: undefined,
    exponent: undefined,
    pss: undefined,
    parameters: undefined,
    spki: spki.der,
  };
}

function refused(section: string, detail: string): Failure {
  return { reason: 'key_refused', section, detail };
}

/** SHA-256 of the key and of what it inherits. */
export function keyId(spki: SubjectKey, inherited: PublicKey | undefined): string {
  const hash = createHash('sha256').update(spki.der);
  const takesOver = spki.algorithm.oid === ID_DSA && inherited?.parameters !== undefined;
  if (takesOver) hash.update(inherited.parameters ?? '');
  return hash.digest('hex');
}

/** A key with its facts; its KeyObject is made when it is first asked for. */
export function publicKey(id: string, algorithm: Oid, { spki, ...known }: KeyFacts): PublicKey {
  let keyObject: KeyObject | undefined;
  let isTried = false;
  return {
    id,
    algorithm,
    ...known,
    keyObject() {
      if (!isTried) {
        isTried = true;
        keyObject = createKeyObject(spki);
      }
      return keyObject;
    },
  };
}

function createKeyObject(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined; // an Ed25519 key that is no point, for example
  }
}
