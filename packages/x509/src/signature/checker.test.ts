import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  bitString,
  writeElement,
  writeExplicit,
  writeInteger,
  writeNull,
  writeOid,
  writeSequence,
} from '../../test/support/der.ts';
import { SCHEMES, makeKey, schemeOf, type KeyKind, type SchemeName } from '../../test/support/keys.ts';
import {
  algorithmOf,
  checkerWith,
  loadedKey,
  signedBy,
  spkiOf,
  verdictOf,
} from '../../test/support/signing.ts';
import { createCache } from '../cache.ts';
import { readDer } from '../der/reader.ts';
import { WorkLimitExceeded } from '../work.ts';
import { DEFAULT_ALGORITHMS, unsafeLegacyAlgorithms } from './policy.ts';
import { isFailure } from './types.ts';

const rows = (scheme: SchemeName, ...kinds: KeyKind[]) => kinds.map((kind) => [scheme, kind] as const);
const EC: KeyKind[] = ['P-256', 'P-384', 'P-521'];
const TAKEN = [
  ...rows('rsa-sha256', 'RSA-2048', 'RSA-3072'),
  ...rows('rsa-sha384', 'RSA-2048'),
  ...rows('rsa-sha512', 'RSA-2048'),
  ...rows('rsa-pss-sha256', 'RSA-2048'),
  ...rows('rsa-pss-sha384', 'RSA-2048'),
  ...rows('rsa-pss-sha512', 'RSA-2048'),
  ...rows('ecdsa-sha256', ...EC),
  ...rows('ecdsa-sha384', ...EC),
  ...rows('ecdsa-sha512', ...EC),
  ...rows('ed25519', 'Ed25519'),
  ...rows('ml-dsa-44', 'ML-DSA-44'),
  ...rows('ml-dsa-65', 'ML-DSA-65'),
  ...rows('ml-dsa-87', 'ML-DSA-87'),
];
const LEGACY = [
  ...rows('rsa-sha1', 'RSA-2048'),
  ...rows('rsa-md5', 'RSA-2048'),
  ...rows('ecdsa-sha1', 'P-256'),
];

describe('the table of algorithms', () => {
  it.each(TAKEN)('%s by %s: good, and no other octet, key or signature', (scheme, kind) => {
    const { privateKey, spki } = makeKey(kind);
    const signed = signedBy(privateKey, SCHEMES[scheme]);
    expect(verdictOf(signed, spki)).toBe('good');
    const tbs = Uint8Array.from(signed.tbs);
    tbs[0] = (tbs[0] ?? 0) ^ 1;
    expect(verdictOf({ ...signed, tbs }, spki)).toBe('signature_invalid');
    expect(verdictOf(signed, makeKey(kind, 'another').spki)).toBe('signature_invalid');
    const signatureValue = Uint8Array.from(signed.signatureValue);
    signatureValue[signatureValue.length - 1] = (signatureValue.at(-1) ?? 0) ^ 1;
    expect(verdictOf({ ...signed, signatureValue }, spki)).toBe('signature_invalid');
    for (const length of [0, signatureValue.length - 1])
      expect(verdictOf({ ...signed, signatureValue: signed.signatureValue.subarray(0, length) }, spki)).toBe(
        'signature_invalid',
      );
    const longer = Uint8Array.of(...signed.signatureValue, 0);
    expect(verdictOf({ ...signed, signatureValue: longer }, spki)).toBe('signature_invalid');
  });

  it.each(LEGACY)('%s by %s: only where it is called unsafe', (scheme, kind) => {
    const { privateKey, spki } = makeKey(kind);
    const signed = signedBy(privateKey, SCHEMES[scheme]);
    expect(verdictOf(signed, spki)).toBe('algorithm_refused');
    expect(verdictOf(signed, spki, unsafeLegacyAlgorithms())).toBe('good');
  });

  it.each<[string, KeyKind, SchemeName]>([
    ['RSA as ECDSA', 'P-256', 'rsa-sha256'],
    ['ECDSA as RSA', 'RSA-2048', 'ecdsa-sha256'],
    ['Ed25519 as ECDSA', 'P-256', 'ed25519'],
    ['ML-DSA-44 as ML-DSA-65', 'ML-DSA-65', 'ml-dsa-44'],
  ])('a key of another kind: %s', (_title, kind, scheme) => {
    const signed = signedBy(makeKey(kind).privateKey, {
      algorithm: SCHEMES[scheme].algorithm,
      sign: () => new Uint8Array(64),
    });
    expect(verdictOf(signed, makeKey(kind).spki)).toBe('signature_invalid');
  });

  const sha256WithRsa = '1.2.840.113549.1.1.11';
  const { privateKey: rsaKey, spki: rsaSpki } = makeKey('RSA-2048');
  const { privateKey: ecKey, spki: ecSpki } = makeKey('P-256');
  it.each<[string, Uint8Array, string]>([
    ['NULL', writeSequence(writeOid(sha256WithRsa), writeNull()), 'good'],
    ['absent', writeSequence(writeOid(sha256WithRsa)), 'good'],
    ['something else', writeSequence(writeOid(sha256WithRsa), writeSequence()), 'algorithm_refused'],
  ])('RFC 4055 section 5: parameters of an RSA signature: %s', (_title, algorithm, verdict) => {
    expect(verdictOf(signedBy(rsaKey, { ...SCHEMES['rsa-sha256'], algorithm }), rsaSpki)).toBe(verdict);
  });

  it.each<[string, Uint8Array, string]>([
    ['absent', writeSequence(writeOid('1.2.840.10045.4.3.2')), 'good'],
    ['NULL', writeSequence(writeOid('1.2.840.10045.4.3.2'), writeNull()), 'algorithm_refused'],
  ])('RFC 5758 section 3.2: parameters of an ECDSA signature: %s', (_title, algorithm, verdict) => {
    expect(verdictOf(signedBy(ecKey, { ...SCHEMES['ecdsa-sha256'], algorithm }), ecSpki)).toBe(verdict);
  });

  it.each<SchemeName>(['ed25519', 'ml-dsa-65'])('%s has no parameters', (scheme) => {
    const { privateKey, spki } = makeKey(scheme === 'ed25519' ? 'Ed25519' : 'ML-DSA-65');
    const { oid } = algorithmOf(SCHEMES[scheme].algorithm);
    const algorithm = writeSequence(writeOid(oid), writeNull());
    expect(verdictOf(signedBy(privateKey, { ...SCHEMES[scheme], algorithm }), spki)).toBe(
      'algorithm_refused',
    );
  });

  it.each(['1.2.3.4', '1.3.101.113', '1.2.840.113549.1.1.14', '1.2.840.113549.1.1.2'])(
    'unknown: %s',
    (oid) => {
      const algorithm = writeSequence(writeOid(oid));
      expect(verdictOf(signedBy(rsaKey, { ...SCHEMES['rsa-sha256'], algorithm }), rsaSpki)).toBe(
        'algorithm_refused',
      );
    },
  );
});

const SHA256 = '2.16.840.1.101.3.4.2.1';
const SHA384 = '2.16.840.1.101.3.4.2.2';
const PSS = '1.2.840.113549.1.1.10';
const hash = (oid: string): Uint8Array => writeSequence(writeOid(oid), writeNull());
const mask = (inner: Uint8Array): Uint8Array => writeSequence(writeOid('1.2.840.113549.1.1.8'), inner);
const parametersOf = (hashOid: string, saltLength: number): Uint8Array =>
  writeSequence(
    writeExplicit(0, hash(hashOid)),
    writeExplicit(1, mask(hash(hashOid))),
    writeExplicit(2, writeInteger(saltLength)),
  );
const pssScheme = (parameters: readonly Uint8Array[], saltLength: number, digest = 'sha256') => ({
  algorithm: writeSequence(writeOid(PSS), ...parameters),
  sign: (key: KeyObject, tbs: Uint8Array) =>
    new Uint8Array(sign(digest, tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })),
});

describe('RSASSA-PSS (RFC 4055 section 3.1)', () => {
  const { privateKey, spki } = makeKey('RSA-2048');
  const bare = writeSequence(writeOid(SHA256));
  const trailer = (value: number): Uint8Array => writeExplicit(3, writeInteger(value));
  const salt = writeExplicit(2, writeInteger(32));
  it.each<[string, Uint8Array[], string]>([
    ['as usual', [parametersOf(SHA256, 32)], 'good'],
    ['parameters absent', [], 'algorithm_refused'],
    ['parameters NULL', [writeNull()], 'algorithm_refused'],
    ['nothing but defaults, which are SHA-1', [writeSequence()], 'algorithm_refused'],
    [
      'parameters of the hash absent',
      [writeSequence(writeExplicit(0, bare), writeExplicit(1, mask(bare)), salt)],
      'good',
    ],
    ['trailer field 1', [withMore(trailer(1))], 'good'],
    ['trailer field 2', [withMore(trailer(2))], 'algorithm_refused'],
    [
      'another hash in the mask',
      [writeSequence(writeExplicit(0, hash(SHA256)), writeExplicit(1, mask(hash(SHA384))), salt)],
      'algorithm_refused',
    ],
    [
      'the default hash in the mask',
      [writeSequence(writeExplicit(0, hash(SHA256)), salt)],
      'algorithm_refused',
    ],
    [
      'another mask',
      [
        writeSequence(
          writeExplicit(0, hash(SHA256)),
          writeExplicit(1, writeSequence(writeOid('1.2.3'), hash(SHA256))),
          salt,
        ),
      ],
      'algorithm_refused',
    ],
    ['something behind', [withMore(writeExplicit(4, writeInteger(1)))], 'algorithm_refused'],
    ['a salt of another length', [parametersOf(SHA256, 31)], 'signature_invalid'],
    ['a salt that no modulus holds', [parametersOf(SHA256, 5_000)], 'algorithm_refused'],
    ['a negative salt', [parametersOf(SHA256, -1)], 'algorithm_refused'],
    ['another hash', [parametersOf(SHA384, 32)], 'signature_invalid'],
  ])('%s', (_title, parameters, verdict) => {
    expect(verdictOf(signedBy(privateKey, pssScheme(parameters, 32)), spki)).toBe(verdict);
  });

  it.each([0, 20, 64])('a salt of %i octets, as the parameters say', (saltLength) => {
    const signed = signedBy(privateKey, pssScheme([parametersOf(SHA256, saltLength)], saltLength));
    expect(verdictOf(signed, spki)).toBe('good');
  });

  it('SHA-1 where it is called unsafe', () => {
    const scheme = pssScheme([writeSequence()], 20, 'sha1');
    expect(verdictOf(signedBy(privateKey, scheme), spki, unsafeLegacyAlgorithms())).toBe('good');
  });

  it('RFC 8017 section 8.1.2, step 1: a leading zero octet may not be left out (OpenSSL takes it)', () => {
    const scheme = pssScheme([parametersOf(SHA256, 32)], 32);
    let signed = signedBy(privateKey, scheme);
    for (let tries = 0; signed.signatureValue[0] !== 0 && tries < 10_000; tries += 1)
      signed = signedBy(privateKey, scheme);
    expect(signed.signatureValue[0]).toBe(0);
    expect(verdictOf(signed, spki)).toBe('good');
    const signatureValue = signed.signatureValue.subarray(1);
    expect(verdictOf({ ...signed, signatureValue }, spki)).toBe('signature_invalid');
  });

  function withMore(element: Uint8Array): Uint8Array {
    return writeSequence(writeExplicit(0, hash(SHA256)), writeExplicit(1, mask(hash(SHA256))), salt, element);
  }
});

describe('keys that are for RSASSA-PSS (RFC 4055 section 1.2 and 3.3)', () => {
  const { privateKey, bits } = rsaBits();
  const spki = (...parameters: Uint8Array[]): Uint8Array =>
    writeSequence(writeSequence(writeOid(PSS), ...parameters), bitString(bits));
  const unrestricted = spki();
  const restricted = spki(parametersOf(SHA256, 32));
  const by = (hashOid: string, saltLength: number, digest: string) =>
    signedBy(privateKey, pssScheme([parametersOf(hashOid, saltLength)], saltLength, digest));
  it.each<[string, Uint8Array, ReturnType<typeof by>, string]>([
    ['unrestricted', unrestricted, by(SHA384, 10, 'sha384'), 'good'],
    ['restricted, and the same', restricted, by(SHA256, 32, 'sha256'), 'good'],
    ['restricted, and more salt', restricted, by(SHA256, 40, 'sha256'), 'good'],
    ['restricted, and less salt', restricted, by(SHA256, 20, 'sha256'), 'signature_invalid'],
    ['restricted, and another hash', restricted, by(SHA384, 48, 'sha384'), 'signature_invalid'],
    ['PKCS #1 v1.5', unrestricted, signedBy(privateKey, SCHEMES['rsa-sha256']), 'signature_invalid'],
    ['malformed restrictions', spki(writeNull()), by(SHA256, 32, 'sha256'), 'key_refused'],
  ])('%s', (_title, key, signed, verdict) => {
    expect(verdictOf(signed, key)).toBe(verdict);
  });

  function rsaBits(): { privateKey: KeyObject; bits: Uint8Array } {
    const key = makeKey('RSA-2048', 'for PSS');
    return { privateKey: key.privateKey, bits: spkiOf(key.spki).bits };
  }
});

describe('ECDSA values are strict DER, positive and below the order', () => {
  const { privateKey, spki } = makeKey('P-256');
  const signed = signedBy(privateKey, SCHEMES['ecdsa-sha256']);
  const { r, s } = integersOf(signed.signatureValue);
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const padded = writeElement(0x02, Uint8Array.of(0, 0), bytesOf(r));
  it.each<[string, Uint8Array, string]>([
    ['as it is', writeSequence(writeInteger(r), writeInteger(s)), 'good'],
    ['the other s of the same signature', writeSequence(writeInteger(r), writeInteger(order - s)), 'good'],
    ['r = 0', writeSequence(writeInteger(0), writeInteger(s)), 'signature_invalid'],
    ['s = 0', writeSequence(writeInteger(r), writeInteger(0)), 'signature_invalid'],
    ['r + n', writeSequence(writeInteger(r + order), writeInteger(s)), 'signature_invalid'],
    ['s + n', writeSequence(writeInteger(r), writeInteger(s + order)), 'signature_invalid'],
    ['-s', writeSequence(writeInteger(r), writeInteger(-s)), 'signature_invalid'],
    ['zero octets before r', writeSequence(padded, writeInteger(s)), 'signature_invalid'],
    [
      'a third integer',
      writeSequence(writeInteger(r), writeInteger(s), writeInteger(1)),
      'signature_invalid',
    ],
    ['one integer', writeSequence(writeInteger(r)), 'signature_invalid'],
    ['a long length', longLength(signed.signatureValue), 'signature_invalid'],
    ['indefinite length', indefinite(signed.signatureValue), 'signature_invalid'],
    ['octets behind', Uint8Array.of(...signed.signatureValue, 5, 0), 'signature_invalid'],
    ['r and s side by side', Uint8Array.of(...bytesOf(r), ...bytesOf(s)), 'signature_invalid'],
  ])('%s', (_title, signatureValue, verdict) => {
    expect(verdictOf({ ...signed, signatureValue }, spki)).toBe(verdict);
  });

  function integersOf(value: Uint8Array): { r: bigint; s: bigint } {
    const parsed = readDer(value, 100, (reader) => {
      const outer = reader.open(0x30);
      const [first, second] = [reader.integer(), reader.integer()];
      reader.close(outer);
      return { r: numberOf(first), s: numberOf(second) };
    });
    if (!parsed.ok) throw new Error('no signature');
    return parsed.value;
  }
  function numberOf(octets: Uint8Array): bigint {
    return BigInt(`0x${Buffer.from(octets).toString('hex')}`);
  }
  function bytesOf(value: bigint): Uint8Array {
    return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex'));
  }
  function longLength(value: Uint8Array): Uint8Array {
    return Uint8Array.of(0x30, 0x81, ...value.subarray(1));
  }
  function indefinite(value: Uint8Array): Uint8Array {
    return Uint8Array.of(0x30, 0x80, ...value.subarray(2), 0, 0);
  }
});

describe('DSA, where it is called unsafe (RFC 3279 section 2.3.2)', () => {
  const policy = unsafeLegacyAlgorithms();
  const { privateKey, publicKey } = generateKeyPairSync('dsa', { modulusLength: 1_024, divisorLength: 160 });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const { algorithm, bits } = spkiOf(spki);
  const withoutParameters = writeSequence(writeSequence(writeOid(algorithm.oid)), bitString(bits));
  const signed = signedBy(privateKey, {
    algorithm: writeSequence(writeOid('1.2.840.10040.4.3')),
    sign: (key, tbs) => new Uint8Array(sign('sha1', tbs, key)),
  });

  it('verifies, and not by default', () => {
    expect(verdictOf(signed, spki, policy)).toBe('good');
    expect(verdictOf(signed, spki)).toBe('key_refused');
  });

  it('RFC 5280 section 6.1.4 (e): parameters are inherited from a key of the same algorithm', () => {
    const checker = checkerWith(policy);
    const inherited = loadedKey(spki, policy);
    const key = checker.loadKey(spkiOf(withoutParameters), inherited);
    if (isFailure(key)) throw new Error(key.detail);
    expect(checker.check(signed, key)).toBeUndefined();
    const next = checker.loadKey(spkiOf(withoutParameters), key);
    expect(isFailure(next)).toBe(false);
    expect(checker.loadKey(spkiOf(withoutParameters))).toMatchObject({ reason: 'key_refused' });
    expect(checker.loadKey(spkiOf(withoutParameters), loadedKey(makeKey('P-256').spki))).toMatchObject({
      reason: 'key_refused',
      section: 'RFC 5280 section 6.1.4 (e)',
    });
  });

  it('a key that node:crypto finds to be none is so when it is to verify', () => {
    const none = writeSequence(algorithm.der, bitString(writeNull()));
    expect(isFailure(checkerWith(policy).loadKey(spkiOf(none)))).toBe(false);
    expect(verdictOf(signed, none, policy)).toBe('key_refused');
  });

  it('the same key below two issuers is two keys', () => {
    const other = generateKeyPairSync('dsa', { modulusLength: 1_024, divisorLength: 160 }).publicKey;
    const otherSpki = new Uint8Array(other.export({ type: 'spki', format: 'der' }));
    const cache = createCache();
    const checker = checkerWith(policy, cache);
    const subject = spkiOf(withoutParameters);
    const good = checker.loadKey(subject, loadedKey(spki, policy));
    const bad = checker.loadKey(subject, loadedKey(otherSpki, policy));
    if (isFailure(good) || isFailure(bad)) throw new Error('not loaded');
    const remembered = { ...signed, fingerprint: 'a' };
    expect(checker.check(remembered, good)).toBeUndefined();
    expect(checker.check(remembered, bad)).toMatchObject({ reason: 'signature_invalid' });
  });
});

describe('cache and limits', () => {
  const { privateKey, spki } = makeKey('P-256');

  it.each<[KeyKind, number]>([
    ['P-256', 1],
    ['P-384', 1],
    ['P-521', 2],
    ['RSA-3072', 1],
  ])('a signature by %s counts as %i', (kind, cost) => {
    const key = makeKey(kind);
    const signed = signedBy(key.privateKey, schemeOf(key));
    const within = (limit: number) => checkerWith(undefined, undefined, { signatureChecks: limit });
    expect(within(cost).check(signed, loadedKey(key.spki))).toBeUndefined();
    expect(() => within(cost - 1).check(signed, loadedKey(key.spki))).toThrow('signatureChecks');
  });

  it('a signature by an RSA key of 8192 bits counts as 4', () => {
    const modulus = 2n ** 8_191n + 1n;
    const spki = writeSequence(
      writeSequence(writeOid('1.2.840.113549.1.1.1'), writeNull()),
      bitString(writeSequence(writeInteger(modulus), writeInteger(65_537))),
    );
    const signed = signedBy(makeKey('RSA-2048').privateKey, SCHEMES['rsa-sha256']);
    const checker = checkerWith(undefined, undefined, { signatureChecks: 3 });
    expect(() => checker.check(signed, loadedKey(spki))).toThrow('signatureChecks');
  });

  const good = { ...signedBy(privateKey, SCHEMES['ecdsa-sha256']), fingerprint: 'good' };
  const bad = { ...good, tbs: Uint8Array.of(1), fingerprint: 'bad' };

  it('what was verified once is not verified again, good or bad', () => {
    const cache = createCache();
    const first = checkerWith(DEFAULT_ALGORITHMS, cache);
    const key = loadedKey(spki);
    expect(first.check(good, key)).toBeUndefined();
    expect(first.check(bad, key)).toMatchObject({ reason: 'signature_invalid' });
    const later = checkerWith(DEFAULT_ALGORITHMS, cache, { signatureChecks: 0 });
    expect(later.check(good, key)).toBeUndefined();
    expect(later.check(bad, key)).toMatchObject({ reason: 'signature_invalid' });
  });

  it('a policy is not remembered', () => {
    const cache = createCache();
    const rsa = makeKey('RSA-1024');
    const signed = { ...signedBy(rsa.privateKey, SCHEMES['rsa-sha1']), fingerprint: 'weak' };
    const lenient = checkerWith(unsafeLegacyAlgorithms(), cache);
    const key = lenient.loadKey(spkiOf(rsa.spki));
    if (isFailure(key)) throw new Error(key.detail);
    expect(lenient.check(signed, key)).toBeUndefined();
    const strict = checkerWith(DEFAULT_ALGORITHMS, cache);
    expect(strict.loadKey(spkiOf(rsa.spki))).toMatchObject({ reason: 'key_refused' });
    expect(strict.check(signed, key)).toMatchObject({ reason: 'algorithm_refused' });
  });

  it('checks are counted', () => {
    const checker = checkerWith(DEFAULT_ALGORITHMS, createCache(), { signatureChecks: 1 });
    const key = loadedKey(spki);
    expect(checker.check(good, key)).toBeUndefined();
    expect(() => checker.check(bad, key)).toThrow(WorkLimitExceeded);
  });

  it('without a fingerprint nothing is remembered', () => {
    const checker = checkerWith(DEFAULT_ALGORITHMS, createCache(), { signatureChecks: 1 });
    const { fingerprint: _, ...anonymous } = good;
    expect(checker.check(anonymous, loadedKey(spki))).toBeUndefined();
    expect(() => checker.check(anonymous, loadedKey(spki))).toThrow(WorkLimitExceeded);
  });

  it('equal keys are one key, and node:crypto is given what the certificate has', () => {
    const cache = createCache();
    const checker = checkerWith(DEFAULT_ALGORITHMS, cache);
    const key = checker.loadKey(spkiOf(spki));
    expect(checker.loadKey(spkiOf(Uint8Array.from(spki)))).toBe(key);
    if (isFailure(key)) throw new Error(key.detail);
    const expected = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    expect(key.keyObject()?.equals(expected)).toBe(true);
  });
});
