import '../../src/identity/metadata.ts';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate as Parsed,
} from '@peculiar/x509';
import { beforeAll, describe, expect, test } from 'vitest';
import { manualClock, systemClock } from '../../src/clock/index.ts';
import { unsafeIssue, type UnsafeIssueOptions } from '../../src/identity/development-ca.ts';
import {
  createDevelopmentCa,
  identityFromPem,
  issue,
  needsRenewal,
  peerVerifier,
  type DevelopmentCa,
  type IssueOptions,
} from '../../src/identity/index.ts';

const TD = 'sallyport.test';
const DAY_MS = 24 * 60 * 60 * 1000;
const clock = systemClock();
let ca: DevelopmentCa;

beforeAll(async () => {
  ca = await createDevelopmentCa({ trustDomain: TD, clock });
});

const leaf = (overrides: Partial<IssueOptions> = {}) =>
  issue({
    ca,
    clock,
    spiffeId: `spiffe://${TD}/svc/gateway`,
    keyAlgorithm: 'P-256',
    usages: ['server', 'client'],
    ...overrides,
  });

describe('the development authority', () => {
  test('is a P-256 root that may only sign leaves', () => {
    const certificate = new Parsed(ca.certPem);
    expect(certificate.getExtension(BasicConstraintsExtension)).toMatchObject({
      ca: true,
      pathLength: 0,
      critical: true,
    });
    expect(certificate.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign,
      critical: true,
    });
    expect(certificate.getExtension(SubjectKeyIdentifierExtension)).not.toBeNull();
    expect(new X509Certificate(ca.certPem).publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(new X509Certificate(ca.certPem).verify(new X509Certificate(ca.certPem).publicKey)).toBe(true);
  });

  test('signs leaves that OpenSSL accepts as its own', async () => {
    const root = new X509Certificate(ca.certPem);
    const certificate = new X509Certificate((await leaf()).certPem);
    expect(certificate.checkIssued(root)).toBe(true);
    expect(certificate.verify(root.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
  });

  test.each(['P-256', 'Ed25519'] as const)(
    'issues %s keys as PKCS#8 that belong to the certificate',
    async (keyAlgorithm) => {
      const issued = await leaf({ keyAlgorithm });
      expect(issued.keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
      const key = createPrivateKey(issued.keyPem);
      expect(key.asymmetricKeyType).toBe(keyAlgorithm === 'P-256' ? 'ec' : 'ed25519');
      expect(new X509Certificate(issued.certPem).checkPrivateKey(key)).toBe(true);
      expect(identityFromPem(issued)).toMatchObject({ spiffeId: `spiffe://${TD}/svc/gateway` });
    },
  );

  test('gives a leaf its usages, identifiers and names, and no more', async () => {
    const issued = await leaf({ usages: ['client'], dns: ['localhost'], ip: ['127.0.0.1', '::1'] });
    const certificate = new Parsed(issued.certPem);
    expect(certificate.getExtension(KeyUsagesExtension)).toMatchObject({
      usages: KeyUsageFlags.digitalSignature,
      critical: true,
    });
    expect(certificate.getExtension(ExtendedKeyUsageExtension)?.usages).toEqual(['1.3.6.1.5.5.7.3.2']);
    const keyId = certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId;
    expect(keyId).toBe(new Parsed(ca.certPem).getExtension(SubjectKeyIdentifierExtension)?.keyId);
    expect(new X509Certificate(issued.certPem).subjectAltName).toBe(
      `URI:spiffe://${TD}/svc/gateway, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1`,
    );
  });

  test('uses random positive serial numbers of 20 bytes', async () => {
    const serials = await Promise.all(
      [leaf(), leaf(), leaf()].map(async (each) => new X509Certificate((await each).certPem).serialNumber),
    );
    expect(new Set(serials).size).toBe(3);
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{39}$/);
  });

  test('lets leaves live 90 days', async () => {
    const certificate = new X509Certificate((await leaf()).certPem);
    const days = (certificate.validToDate.getTime() - clock.now()) / DAY_MS;
    expect(days).toBeGreaterThan(89.9);
    expect(days).toBeLessThan(90.1);
  });

  test.each([
    ['no SPIFFE id', { spiffeId: 'gateway' }],
    ['a name of another trust domain', { spiffeId: 'spiffe://other.test/svc/gateway' }],
    ['no usage', { usages: [] }],
  ] as const)('refuses %s', async (_case, overrides) => {
    await expect(leaf(overrides)).rejects.toThrow(TypeError);
  });

  test('refuses a trust domain that is none', async () => {
    await expect(createDevelopmentCa({ trustDomain: 'Not One', clock })).rejects.toThrow(TypeError);
  });
});

describe('needsRenewal', () => {
  test.each([
    [0, false],
    [59, false],
    [61, true],
    [89, true],
    [91, true],
    [-1, true],
  ])('after %i days of 90: %s', async (days, expected) => {
    const manual = manualClock();
    const { certPem } = await leaf({ clock: manual, ca });
    manual.setNow(manual.now() + days * DAY_MS);
    expect(needsRenewal(certPem, manual)).toBe(expected);
  });
});

describe('peerVerifier', () => {
  const callerOf = (certificate: X509Certificate, side: 'client' | 'server' = 'client') =>
    peerVerifier({ caPem: ca.certPem, trustDomain: TD }).verify([certificate.raw], side);

  const certificateOf = async (overrides: Partial<UnsafeIssueOptions>): Promise<X509Certificate> => {
    const { certPem } = await unsafeIssue({
      ca,
      clock,
      subject: 'CN=gateway',
      names: [],
      keyAlgorithm: 'P-256',
      usages: ['client'],
      lifetimeDays: 1,
      ...overrides,
    });
    return new X509Certificate(certPem);
  };
  const url = (value: string) => ({ type: 'url' as const, value });

  test('names a service', async () => {
    const spiffeId = `spiffe://${TD}/svc/gateway`;
    expect(callerOf(await certificateOf({ names: [url(spiffeId)] }))).toMatchObject({
      ok: true,
      caller: { kind: 'service', name: 'gateway', spiffeId },
    });
  });

  test.each(['user', 'workload', 'device'])('names a %s', async (kind) => {
    const spiffeId = `spiffe://${TD}/${kind}/x-1`;
    expect(callerOf(await certificateOf({ names: [url(spiffeId)] }))).toMatchObject({
      ok: true,
      caller: { kind: 'principal', id: `${kind}:x-1`, principalKind: kind, spiffeId },
    });
  });

  test('other kinds of names beside the URI do not matter', async () => {
    const names = [{ type: 'dns' as const, value: 'localhost' }, url(`spiffe://${TD}/svc/gateway`)];
    expect(callerOf(await certificateOf({ names }))).toMatchObject({ ok: true });
  });

  test.each([
    ['no names', [], 'no_uri_san'],
    [
      'a DNS name that reads like an id',
      [{ type: 'dns' as const, value: `spiffe://${TD}/svc/gateway` }],
      'no_uri_san',
    ],
    [
      'two URI names',
      [url(`spiffe://${TD}/svc/gateway`), url(`spiffe://${TD}/svc/key-service`)],
      'several_uri_sans',
    ],
    [
      'the same URI name twice',
      [url(`spiffe://${TD}/svc/gateway`), url(`spiffe://${TD}/svc/gateway`)],
      'several_uri_sans',
    ],
    ['another URI', [url('https://sallyport.test/svc/gateway')], 'not_a_spiffe_id'],
    [
      'a URI with a second name smuggled in',
      [url(`spiffe://${TD}/svc/gateway, URI:spiffe://${TD}/svc/key-service`)],
      'not_a_spiffe_id',
    ],
    ['another trust domain', [url('spiffe://evil.test/svc/gateway')], 'other_trust_domain'],
    ['a trust domain below ours', [url(`spiffe://x.${TD}/svc/gateway`)], 'other_trust_domain'],
    ['a service that does not exist', [url(`spiffe://${TD}/svc/intruder`)], 'unknown_service'],
  ])('refuses %s', async (_case, names, problem) => {
    expect(callerOf(await certificateOf({ names }))).toEqual({ ok: false, problem });
  });

  const gateway = [url(`spiffe://${TD}/svc/gateway`)];
  test.each<[string, Partial<UnsafeIssueOptions>]>([
    ['for servers', { usages: ['server'] }],
    ['without key usage', { withoutKeyUsage: true }],
    ['that is over', { clock: { now: () => clock.now() - 2 * DAY_MS } }],
    ['that begins later', { clock: { now: () => clock.now() + DAY_MS } }],
  ])('refuses a client certificate %s', async (_case, overrides) => {
    const certificate = await certificateOf({ names: gateway, ...overrides });
    expect(callerOf(certificate)).toEqual({ ok: false, problem: 'invalid_path' });
  });

  test.each([
    ['its own', 5, 3, 3],
    ['that of the authority above it', 2, 3, 2],
  ])('says when it ends: %s end', async (_case, authorityDays, leafDays, endsIn) => {
    const other = await createDevelopmentCa({ trustDomain: TD, clock, lifetimeDays: authorityDays });
    const certificate = await certificateOf({ names: gateway, ca: other, lifetimeDays: leafDays });
    const peers = peerVerifier({ caPem: other.certPem, trustDomain: TD });
    const result = peers.verify([certificate.raw], 'client');
    const days = ((result.ok ? result.notAfterMs : 0) - clock.now()) / DAY_MS;
    expect(days).toBeGreaterThan(endsIn - 0.1);
    expect(days).toBeLessThan(endsIn + 0.1);
  });

  test('refuses a server certificate for clients', async () => {
    const certificate = await certificateOf({ names: gateway });
    expect(callerOf(certificate, 'server')).toEqual({ ok: false, problem: 'invalid_path' });
  });

  test('refuses the certificate of another authority with our names', async () => {
    const other = await createDevelopmentCa({ trustDomain: TD, clock });
    const certificate = await certificateOf({ names: gateway, ca: other });
    expect(callerOf(certificate)).toEqual({ ok: false, problem: 'invalid_path' });
  });

  test('refuses an authority', () => {
    expect(callerOf(new X509Certificate(ca.certPem))).toEqual({
      ok: false,
      problem: 'not_a_leaf',
    });
  });
});

describe('identityFromPem', () => {
  test.each([
    ['text that is no certificate', { certPem: 'x' }, /not a PEM certificate/],
    ['text that is no key', { keyPem: 'canary-secret' }, /not a PEM private key/],
  ])('refuses %s', async (_case, overrides, message) => {
    const issued = await leaf();
    expect(() => identityFromPem({ ...issued, ...overrides })).toThrow(message);
    expect(() => identityFromPem({ ...issued, ...overrides })).not.toThrow(/canary/);
  });

  test("refuses another's key", async () => {
    const [one, other] = await Promise.all([leaf(), leaf()]);
    expect(() => identityFromPem({ certPem: one.certPem, keyPem: other.keyPem })).toThrow(/does not belong/);
  });

  test('refuses a certificate that names nobody', () => {
    expect(() => identityFromPem(ca)).toThrow(/not a SPIFFE id/);
  });
});
