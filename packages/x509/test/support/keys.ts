/** Keys and signatures of test hierarchies. A key is made once in a process for each kind and label. */
import { constants, createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { DerReader } from '../../src/der/reader.ts';
import {
  BIT_STRING,
  SEQUENCE,
  writeExplicit,
  writeInteger,
  writeNull,
  writeOid,
  writeSequence,
} from './der.ts';

export type KeyKind =
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'secp256k1'
  | 'RSA-1024'
  | 'RSA-2048'
  | 'RSA-3072'
  | 'Ed25519'
  | 'Ed448'
  | 'ML-DSA-44'
  | 'ML-DSA-65'
  | 'ML-DSA-87';

export interface TestKey {
  readonly kind: KeyKind;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Whole SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** RFC 5280 section 4.2.1.2 (1). */
  readonly keyIdentifier: Uint8Array;
}

const made = new Map<string, TestKey>();

export function makeKey(kind: KeyKind = 'P-256', label = ''): TestKey {
  const known = made.get(`${kind} ${label}`);
  if (known !== undefined) return known;
  const { privateKey, publicKey } = generate(kind);
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const key = { kind, privateKey, publicKey, spki, keyIdentifier: keyIdentifierOf(spki) };
  made.set(`${kind} ${label}`, key);
  return key;
}

function generate(kind: KeyKind): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (kind) {
    case 'P-256':
    case 'P-384':
    case 'P-521':
    case 'secp256k1':
      return generateKeyPairSync('ec', { namedCurve: kind });
    case 'RSA-1024':
    case 'RSA-2048':
    case 'RSA-3072':
      return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) });
    case 'Ed25519':
      return generateKeyPairSync('ed25519');
    case 'Ed448':
      return generateKeyPairSync('ed448');
    case 'ML-DSA-44':
      return generateKeyPairSync('ml-dsa-44');
    case 'ML-DSA-65':
      return generateKeyPairSync('ml-dsa-65');
    case 'ML-DSA-87':
      return generateKeyPairSync('ml-dsa-87');
  }
}

/** SHA-1 of the key's octets. */
export function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  const reader = new DerReader(spki);
  reader.open(SEQUENCE);
  reader.skip();
  return new Uint8Array(createHash('sha1').update(reader.bitString(BIT_STRING)).digest());
}

export interface SignatureScheme {
  /** Whole AlgorithmIdentifier. */
  readonly algorithm: Uint8Array;
  sign(key: KeyObject, tbs: Uint8Array): Uint8Array;
}

function rsa(hash: string, oid: string): SignatureScheme {
  return {
    algorithm: writeSequence(writeOid(oid), writeNull()),
    sign: (key, tbs) => new Uint8Array(sign(hash, tbs, key)),
  };
}
function ecdsa(hash: string, oid: string): SignatureScheme {
  return {
    algorithm: writeSequence(writeOid(oid)),
    sign: (key, tbs) => new Uint8Array(sign(hash, tbs, key)),
  };
}
function pure(oid: string): SignatureScheme {
  return {
    algorithm: writeSequence(writeOid(oid)),
    sign: (key, tbs) => new Uint8Array(sign(null, tbs, key)),
  };
}
/** RFC 4055 section 3.1, salt as long as the hash. */
function pss(hash: string, hashOid: string, saltLength: number): SignatureScheme {
  const hashAlgorithm = writeSequence(writeOid(hashOid), writeNull());
  const mask = writeSequence(writeOid('1.2.840.113549.1.1.8'), hashAlgorithm);
  const parameters = writeSequence(
    writeExplicit(0, hashAlgorithm),
    writeExplicit(1, mask),
    writeExplicit(2, writeInteger(saltLength)),
  );
  return {
    algorithm: writeSequence(writeOid('1.2.840.113549.1.1.10'), parameters),
    sign: (key, tbs) =>
      new Uint8Array(sign(hash, tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })),
  };
}

export const SCHEMES = {
  'rsa-md5': rsa('md5', '1.2.840.113549.1.1.4'),
  'rsa-sha1': rsa('sha1', '1.2.840.113549.1.1.5'),
  'rsa-sha256': rsa('sha256', '1.2.840.113549.1.1.11'),
  'rsa-sha384': rsa('sha384', '1.2.840.113549.1.1.12'),
  'rsa-sha512': rsa('sha512', '1.2.840.113549.1.1.13'),
  'rsa-pss-sha256': pss('sha256', '2.16.840.1.101.3.4.2.1', 32),
  'rsa-pss-sha384': pss('sha384', '2.16.840.1.101.3.4.2.2', 48),
  'rsa-pss-sha512': pss('sha512', '2.16.840.1.101.3.4.2.3', 64),
  'ecdsa-sha1': ecdsa('sha1', '1.2.840.10045.4.1'),
  'ecdsa-sha256': ecdsa('sha256', '1.2.840.10045.4.3.2'),
  'ecdsa-sha384': ecdsa('sha384', '1.2.840.10045.4.3.3'),
  'ecdsa-sha512': ecdsa('sha512', '1.2.840.10045.4.3.4'),
  ed25519: pure('1.3.101.112'),
  ed448: pure('1.3.101.113'),
  'ml-dsa-44': pure('2.16.840.1.101.3.4.3.17'),
  'ml-dsa-65': pure('2.16.840.1.101.3.4.3.18'),
  'ml-dsa-87': pure('2.16.840.1.101.3.4.3.19'),
} as const satisfies Record<string, SignatureScheme>;
export type SchemeName = keyof typeof SCHEMES;

const DEFAULT_SCHEMES: Readonly<Record<KeyKind, SchemeName>> = {
  'P-256': 'ecdsa-sha256',
  'P-384': 'ecdsa-sha384',
  'P-521': 'ecdsa-sha512',
  secp256k1: 'ecdsa-sha256',
  'RSA-1024': 'rsa-sha256',
  'RSA-2048': 'rsa-sha256',
  'RSA-3072': 'rsa-sha256',
  Ed25519: 'ed25519',
  Ed448: 'ed448',
  'ML-DSA-44': 'ml-dsa-44',
  'ML-DSA-65': 'ml-dsa-65',
  'ML-DSA-87': 'ml-dsa-87',
};
export const schemeOf = (key: TestKey, name?: SchemeName): SignatureScheme =>
  SCHEMES[name ?? DEFAULT_SCHEMES[key.kind]];
