/** Chains that a client must not believe, one test per row. */
import { beforeAll, describe, expect, test } from 'vitest';
import { extensionsOf, uriNamesOf } from '../src/certificate-extensions.ts';
import { parseRoots, spiffeNameOf, verifyGatewayChain } from '../src/gateway-chain.ts';
import {
  GATEWAY_ID,
  KeyUsageFlags,
  makeCertificate,
  TRUST_DOMAIN,
  type CertificateOptions,
  type Made,
} from './support/certificates.ts';
import { fc, test as property } from './support/properties.ts';

const HOUR_MS = 3_600_000;
const MEANINGLESS = '1.3.6.1.4.1.99999.1';
const NAME_CONSTRAINTS = '2.5.29.30';
let root: Made;
let middle: Made;
beforeAll(async () => {
  root = await makeCertificate({ isAuthority: true });
  middle = await makeCertificate({ isAuthority: true, issuer: root });
});
const verify = (chain: readonly Made[], roots: readonly Made[] = [root], atMs = Date.now()) =>
  verifyGatewayChain(
    parseRoots(roots.map(({ pem }) => pem).join('')),
    chain.map(({ der }) => der),
    atMs,
  );

describe('believed', () => {
  test('a leaf of the root', async () => {
    const leaf = await makeCertificate({ issuer: root });
    expect(verify([leaf])?.spiffeId).toBe(GATEWAY_ID);
    expect(verify([leaf])?.publicKey.asymmetricKeyType).toBe('ed25519');
  });
  test('through an authority between, and with the root sent along', async () => {
    const leaf = await makeCertificate({ issuer: middle });
    expect(verify([leaf, middle])?.spiffeId).toBe(GATEWAY_ID);
    expect(verify([leaf, middle, root])?.spiffeId).toBe(GATEWAY_ID);
  });
  test('with two roots, and an extension without meaning that is not critical', async () => {
    const other = await makeCertificate({ isAuthority: true });
    const leaf = await makeCertificate({ issuer: root, uncritical: [MEANINGLESS] });
    expect(verify([leaf], [other, root])?.spiffeId).toBe(GATEWAY_ID);
  });
  test('a root that allows no further authority, for a leaf of its own', async () => {
    const strict = await makeCertificate({ isAuthority: true, pathLength: 0 });
    expect(verify([await makeCertificate({ issuer: strict })], [strict])?.spiffeId).toBe(GATEWAY_ID);
  });
});

describe('leaves that are refused', () => {
  const rows: readonly (readonly [string, CertificateOptions])[] = [
    ['for clients only', { usages: ['client'] }],
    ['that is over', { notAfterMs: Date.now() - HOUR_MS / 2 }],
    ['that has not begun', { notBeforeMs: Date.now() + HOUR_MS }],
    ['with a key that is not Ed25519', { algorithm: 'P-256' }],
    ['that may not sign', { keyUsage: KeyUsageFlags.keyEncipherment }],
    ['without a name', { uris: [] }],
    ['with two names', { uris: [GATEWAY_ID, `${GATEWAY_ID}2`] }],
    ['with a name that is no SPIFFE id', { uris: ['https://sallyport.test/svc/gateway'] }],
    ['with a name without a path', { uris: [`spiffe://${TRUST_DOMAIN}`] }],
    ['that hides a second name in its first', { uris: [`${GATEWAY_ID}, URI:${GATEWAY_ID}`] }],
    ['with a critical extension that nobody knows', { critical: [MEANINGLESS] }],
    ['with critical name constraints', { critical: [NAME_CONSTRAINTS] }],
  ];
  test.each(rows)('%s', async (_name, options) => {
    expect(verify([await makeCertificate({ issuer: root, ...options })])).toBeUndefined();
  });
  test('that is an authority itself', () => {
    expect(verify([middle])).toBeUndefined();
  });
});

describe('paths that are refused', () => {
  test('no certificate, and five', async () => {
    const leaf = await makeCertificate({ issuer: root });
    expect(verify([])).toBeUndefined();
    expect(verify([leaf, root, root, root, root])).toBeUndefined();
  });
  test('of another root', async () => {
    const other = await makeCertificate({ isAuthority: true });
    expect(verify([await makeCertificate({ issuer: other })])).toBeUndefined();
  });
  test('of another root with the same name', async () => {
    const twin = await makeCertificate({ isAuthority: true, subject: root.subject });
    expect(verify([await makeCertificate({ issuer: twin })])).toBeUndefined();
  });
  test('issued by a leaf', async () => {
    const leaf = await makeCertificate({ issuer: root, algorithm: 'P-256' });
    expect(verify([await makeCertificate({ issuer: leaf }), leaf])).toBeUndefined();
  });
  test('out of order', async () => {
    const leaf = await makeCertificate({ issuer: middle });
    expect(verify([middle, leaf])).toBeUndefined();
  });
  test('with the authority between left out', async () => {
    expect(verify([await makeCertificate({ issuer: middle })])).toBeUndefined();
  });
  test('through an authority that is over', async () => {
    const over = await makeCertificate({ isAuthority: true, issuer: root, notAfterMs: Date.now() - 1000 });
    expect(verify([await makeCertificate({ issuer: over }), over])).toBeUndefined();
  });
  test('longer than an authority allows', async () => {
    const strict = await makeCertificate({ isAuthority: true, pathLength: 0 });
    const between = await makeCertificate({ isAuthority: true, issuer: strict });
    expect(verify([await makeCertificate({ issuer: between }), between], [strict])).toBeUndefined();
  });
  test('through an authority with critical name constraints', async () => {
    const bound = await makeCertificate({ isAuthority: true, issuer: root, critical: [NAME_CONSTRAINTS] });
    expect(verify([await makeCertificate({ issuer: bound }), bound])).toBeUndefined();
  });
  test('before and after their time', async () => {
    const leaf = await makeCertificate({ issuer: root });
    expect(verify([leaf], [root], Date.now() - 24 * HOUR_MS)).toBeUndefined();
    expect(verify([leaf], [root], Date.now() + 48 * HOUR_MS)).toBeUndefined();
  });
  test('roots that are none', () => {
    expect(() => parseRoots('')).toThrow(TypeError);
    expect(() => parseRoots('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')).toThrow(
      TypeError,
    );
  });
});

describe('total on noise', () => {
  property.prop([fc.uint8Array({ maxLength: 300 })])('any bytes', (bytes) => {
    expect(verifyGatewayChain(parseRoots(root.pem), [bytes], Date.now())).toBeUndefined();
    extensionsOf(bytes);
    uriNamesOf(bytes);
  });
  property.prop([fc.nat({ max: 4000 })], { numRuns: 300 })('any bit of a good certificate flipped', (bit) => {
    const der = middle.der.slice();
    const at = bit % (der.length * 8);
    der[at >> 3] = (der[at >> 3] ?? 0) ^ (1 << (at & 7));
    extensionsOf(der);
    expect(verifyGatewayChain(parseRoots(root.pem), [der], Date.now())).toBeUndefined();
  });
  test('a certificate without extensions has none, and no name', () => {
    // SEQUENCE { SEQUENCE { INTEGER 1 } }
    expect(extensionsOf(Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 1))?.size).toBe(0);
    expect(spiffeNameOf(Uint8Array.of(0x30, 5, 0x30, 3, 2, 1, 1))).toBeUndefined();
  });
});
