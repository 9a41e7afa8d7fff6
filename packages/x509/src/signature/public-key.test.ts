import { describe, expect, it } from 'vitest';
import {
  bitString,
  fromHex,
  writeInteger,
  writeNull,
  writeOid,
  writeSequence,
} from '../../test/support/der.ts';
import { makeKey, type KeyKind } from '../../test/support/keys.ts';
import { checkerWith, loadedKey, spkiOf } from '../../test/support/signing.ts';
import { DEFAULT_ALGORITHMS, type AlgorithmPolicy } from './policy.ts';
import { isFailure } from './types.ts';

const RSA = '1.2.840.113549.1.1.1';
const EC = '1.2.840.10045.2.1';
const P256 = '1.2.840.10045.3.1.7';
const { modulus } = rsaNumbers();
const P521 = '1.3.132.0.35';
const point = spkiOf(makeKey('P-256').spki).bits;
/** Of "Taming the many EdDSAs" (2020), table 1. */
const ORDER_8 = [
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
] as const;

/** `taken`, or the section that is broken. */
function verdict(spki: Uint8Array, policy: AlgorithmPolicy = DEFAULT_ALGORITHMS): string {
  const checker = checkerWith(policy);
  const failure = checker.judgeKey(spkiOf(spki));
  const key = checker.loadKey(spkiOf(spki));
  expect(isFailure(key) ? key : undefined).toEqual(failure); // both say the same
  if (failure !== undefined) expect(failure.reason).toBe('key_refused');
  return failure?.section ?? 'taken';
}
const keyOf = (algorithm: Uint8Array, bits: Uint8Array): Uint8Array =>
  writeSequence(algorithm, bitString(bits));
const rsa = (n: bigint, e: bigint | number): Uint8Array =>
  keyOf(writeSequence(writeOid(RSA), writeNull()), writeSequence(writeInteger(n), writeInteger(e)));
const ec = (curve: Uint8Array | undefined, bits: Uint8Array): Uint8Array =>
  keyOf(writeSequence(writeOid(EC), ...(curve ? [curve] : [])), bits);

describe('public keys', () => {
  it.each<[KeyKind, string, number | undefined]>([
    ['RSA-2048', 'rsa', 2_048],
    ['RSA-3072', 'rsa', 3_072],
    ['P-256', 'ec-p256', undefined],
    ['P-384', 'ec-p384', undefined],
    ['P-521', 'ec-p521', undefined],
    ['Ed25519', 'ed25519', undefined],
    ['ML-DSA-44', 'ml-dsa-44', undefined],
    ['ML-DSA-65', 'ml-dsa-65', undefined],
    ['ML-DSA-87', 'ml-dsa-87', undefined],
  ])('%s is taken', (made, kind, modulusBits) => {
    const key = loadedKey(makeKey(made).spki);
    expect(key).toMatchObject({ kind, modulusBits });
    expect(key.keyObject()).toBeDefined();
  });

  it.each<[string, Uint8Array, string]>([
    ['exponent 3', rsa(modulus, 3), 'taken'],
    ['exponent 1', rsa(modulus, 1), 'RFC 5280 section 4.1.2.7'],
    ['an even exponent', rsa(modulus, 65_538), 'RFC 5280 section 4.1.2.7'],
    ['exponent 0', rsa(modulus, 0), 'RFC 5280 section 4.1.2.7'],
    ['an exponent of 32 bits', rsa(modulus, 2n ** 32n - 1n), 'taken'],
    ['an exponent of 34 bits', rsa(modulus, 2n ** 33n + 1n), 'RFC 5280 section 4.1.2.7'],
    ['an exponent of 2048 bits', rsa(modulus, modulus), 'RFC 5280 section 4.1.2.7'],
    ['a negative exponent', rsa(modulus, -3), 'RFC 3279 section 2.3.1'],
    ['an even modulus', rsa(modulus - 1n, 65_537), 'RFC 8017 section 3.1'],
    ['a negative modulus', rsa(-modulus, 65_537), 'RFC 8017 section 3.1'],
    ['modulus 0', rsa(0n, 65_537), 'RFC 8017 section 3.1'],
    ['2047 bits', rsa(2n ** 2_047n - 1n, 65_537), 'RFC 5280 section 4.1.2.7'],
    ['2048 bits', rsa(2n ** 2_047n + 1n, 65_537), 'taken'],
    ['8192 bits', rsa(2n ** 8_191n + 1n, 65_537), 'taken'],
    ['8193 bits', rsa(2n ** 8_192n + 1n, 65_537), 'RFC 5280 section 4.1.2.7'],
    ['parameters absent', keyOf(writeSequence(writeOid(RSA)), rsaBits()), 'RFC 3279 section 2.3.1'],
    [
      'parameters other than NULL',
      keyOf(writeSequence(writeOid(RSA), writeSequence()), rsaBits()),
      'RFC 3279 section 2.3.1',
    ],
    [
      'octets behind the key',
      keyOf(writeSequence(writeOid(RSA), writeNull()), Uint8Array.of(...rsaBits(), 5, 0)),
      'RFC 3279 section 2.3.1',
    ],
    ['no key', keyOf(writeSequence(writeOid(RSA), writeNull()), new Uint8Array(0)), 'RFC 3279 section 2.3.1'],
  ])('RSA: %s', (_title, spki, expected) => {
    expect(verdict(spki)).toBe(expected);
  });

  it('a profile may ask for 65537', () => {
    const policy: AlgorithmPolicy = { ...DEFAULT_ALGORITHMS, rsaMinExponent: 65_537 };
    expect(verdict(rsa(modulus, 3), policy)).toBe('RFC 5280 section 4.1.2.7');
    expect(verdict(rsa(modulus, 65_537), policy)).toBe('taken');
  });

  it.each<[string, Uint8Array, string]>([
    ['an uncompressed point', ec(writeOid(P256), point), 'taken'],
    [
      'a compressed point',
      ec(writeOid(P256), Uint8Array.of(2, ...point.subarray(1, 33))),
      'RFC 5480 section 2.2',
    ],
    ['a hybrid point', ec(writeOid(P256), Uint8Array.of(6, ...point.subarray(1))), 'RFC 5480 section 2.2'],
    ['the point at infinity', ec(writeOid(P256), Uint8Array.of(0)), 'RFC 5480 section 2.2'],
    ['a point that is cut off', ec(writeOid(P256), point.subarray(0, 64)), 'RFC 5480 section 2.2'],
    ['a point of another curve', ec(writeOid('1.3.132.0.34'), point), 'RFC 5480 section 2.2'],
    ['a point that is not on its curve', ec(writeOid(P256), offBy(1, 64)), 'RFC 5480 section 2.2'],
    [
      'nought and one',
      ec(writeOid(P256), Uint8Array.of(4, ...new Uint8Array(63), 1)),
      'RFC 5480 section 2.2',
    ],
    ['a point whose y is another by p', ec(writeOid(P521), p521BeyondP()), 'RFC 5480 section 2.2'],
    ['another curve', ec(writeOid('1.3.132.0.10'), point), 'RFC 5480 section 2.1.1'],
    ['an implicit curve', ec(writeNull(), point), 'RFC 5480 section 2.1.1'],
    ['an explicit curve', ec(writeSequence(writeInteger(1)), point), 'RFC 5480 section 2.1.1'],
    ['no curve', ec(undefined, point), 'RFC 5480 section 2.1.1'],
  ])('EC: %s', (_title, spki, expected) => {
    expect(verdict(spki)).toBe(expected);
  });

  const ed25519 = spkiOf(makeKey('Ed25519').spki).bits;
  const mlDsa = spkiOf(makeKey('ML-DSA-44').spki).bits;
  const ML_DSA_44 = '2.16.840.1.101.3.4.3.17';
  it.each<[string, Uint8Array, string]>([
    ['Ed25519 with parameters', plain('1.3.101.112', ed25519, writeNull()), 'RFC 8410 section 4'],
    ['Ed25519 of 31 octets', plain('1.3.101.112', ed25519.subarray(1)), 'RFC 8410 section 4'],
    ['Ed25519: the identity', plain('1.3.101.112', fromHex('01'.padEnd(64, '0'))), 'RFC 8410 section 4'],
    [
      'Ed25519: order 4, sign set',
      plain('1.3.101.112', fromHex('80'.padStart(64, '0'))),
      'RFC 8410 section 4',
    ],
    ['Ed25519: order 2', plain('1.3.101.112', fromHex(`ec${'ff'.repeat(30)}7f`)), 'RFC 8410 section 4'],
    ['Ed25519: order 8', plain('1.3.101.112', fromHex(ORDER_8[0])), 'RFC 8410 section 4'],
    ['Ed25519: order 8, the other y', plain('1.3.101.112', fromHex(ORDER_8[1])), 'RFC 8410 section 4'],
    ['Ed25519: y of p and 3', plain('1.3.101.112', fromHex(`f0${'ff'.repeat(30)}7f`)), 'RFC 8410 section 4'],
    ['Ed25519: y of 3', plain('1.3.101.112', fromHex('03'.padEnd(64, '0'))), 'taken'],
    ['X25519', plain('1.3.101.110', ed25519), 'taken'],
    ['ML-DSA-44 with parameters', plain(ML_DSA_44, mlDsa, writeNull()), 'RFC 9881 section 4'],
    ['ML-DSA-44 of one octet less', plain(ML_DSA_44, mlDsa.subarray(1)), 'RFC 9881 section 4'],
    ['ML-DSA-65 of another length', plain('2.16.840.1.101.3.4.3.18', mlDsa), 'RFC 9881 section 4'],
    ['an unknown algorithm', plain('1.2.3.4', ed25519), 'RFC 5280 section 4.1.2.7'],
    ['Ed448', makeKey('Ed448').spki, 'RFC 5280 section 4.1.2.7'],
  ])('%s', (_title, spki, expected) => {
    expect(verdict(spki)).toBe(expected);
  });

  function plain(oid: string, bits: Uint8Array, ...parameters: Uint8Array[]): Uint8Array {
    return keyOf(writeSequence(writeOid(oid), ...parameters), bits);
  }
});

/** The point with one octet changed. */
function offBy(difference: number, place: number): Uint8Array {
  return point.map((octet, index) => (index === place ? octet ^ difference : octet));
}

/** p and y are together less than the 528 bits of a coordinate. */
function p521BeyondP(): Uint8Array {
  const { bits } = spkiOf(makeKey('P-521').spki);
  const y = BigInt(`0x${Buffer.from(bits.subarray(67)).toString('hex')}`) + 2n ** 521n - 1n;
  return Uint8Array.of(...bits.subarray(0, 67), ...fromHex(y.toString(16).padStart(132, '0')));
}

function rsaBits(): Uint8Array {
  return spkiOf(makeKey('RSA-2048').spki).bits;
}

function rsaNumbers(): { modulus: bigint } {
  const { n = '' } = makeKey('RSA-2048').publicKey.export({ format: 'jwk' });
  return { modulus: BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`) };
}
