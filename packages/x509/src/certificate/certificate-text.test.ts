import { describe, expect, it } from 'vitest';
import {
  OID,
  authorityInfoAccess,
  cRLDistributionPoints,
  certificatePolicies,
  extension,
  general,
  inhibitAnyPolicy,
  issue,
  makeKey,
  nameConstraints,
  policyConstraints,
  policyMappings,
} from '../../test/support/pki.ts';
import { writeOid, writeSequence } from '../der/writer.ts';
import { certificateText, publicKeyText } from './certificate-text.ts';

describe('a certificate as text', () => {
  it('says all of it', () => {
    const root = issue({
      subject: [
        ['O', 'Example, Inc.'],
        ['CN', 'root'],
      ],
      ca: true,
      serial: 0x8001,
    });
    const { certificate } = issue({
      subject: 'sub',
      issuer: root,
      ca: true,
      pathLen: 1,
      serial: 1,
      names: [general.dns('a.example'), general.ip(192, 0, 2, 1)],
      extendedKeyUsage: [OID.serverAuth, '1.2.3.4'],
      extensions: [
        nameConstraints({
          permitted: [general.dns('example')],
          excluded: [general.ip(10, 0, 0, 0, 255, 0, 0, 0)],
        }),
        certificatePolicies(['1.2.3', OID.anyPolicy]),
        policyMappings([['1.2.3', '1.2.4']]),
        policyConstraints({ requireExplicitPolicy: 0 }),
        inhibitAnyPolicy(2),
        cRLDistributionPoints([{ fullName: [general.uri('http://a/crl')], reasons: ['keyCompromise'] }]),
        authorityInfoAccess([[OID.ocsp, general.uri('http://a/ocsp')]]),
        extension('1.2.3.4.5', Uint8Array.of(0xab)),
        extension('1.2.3.4.6', new Uint8Array(100), true),
      ],
    });
    const identifier = (octets: Uint8Array | undefined): string => Buffer.from(octets ?? []).toString('hex');
    expect(certificateText(certificate).split('\n')).toEqual([
      'Certificate v3',
      '  Subject:     CN=sub',
      String.raw`  Issuer:      CN=root,O=Example\, Inc.`,
      '  Serial:      01',
      '  Valid from:  2025-01-01T00:00:00Z',
      '  Valid until: 2035-01-01T00:00:00Z',
      '  Public key:  EC P-256',
      '  Signature:   ECDSA with SHA-256',
      `  SHA-256:     ${certificate.fingerprint}`,
      '  Extensions:',
      '    Basic constraints (critical): CA, path length 1',
      '    Key usage (critical): keyCertSign, cRLSign',
      '    Extended key usage:',
      '      serverAuth',
      '      1.2.3.4',
      '    Subject alternative name:',
      '      DNS:a.example',
      '      IP:192.0.2.1',
      `    Subject key identifier: ${identifier(certificate.subjectKeyIdentifier)}`,
      `    Authority key identifier: ${identifier(root.key.keyIdentifier)}`,
      '    Name constraints (critical):',
      '      permitted DNS:example',
      '      excluded IP:10.0.0.0/8',
      '    Certificate policies:',
      '      1.2.3',
      '      anyPolicy',
      '    Policy mappings (critical): 1.2.3 = 1.2.4',
      '    Policy constraints (critical): explicit policy required after 0 certificates',
      '    Inhibit anyPolicy (critical): after 2 certificates',
      '    CRL distribution points: URI:http://a/crl; reasons keyCompromise',
      '    Authority information access: OCSP URI:http://a/ocsp',
      '    1.2.3.4.5: ab',
      `    1.2.3.4.6 (critical): ${'00'.repeat(64)}… (100 octets)`,
    ]);
    expect(certificateText(root.certificate)).toContain('  Serial:      00:80:01\n');
  });

  it('algorithms that disagree', () => {
    const { certificate } = issue({
      onlyExtensions: [],
      innerAlgorithm: writeSequence(writeOid('1.3.101.112')),
    });
    expect(certificateText(certificate)).toContain('ECDSA with SHA-256 (inside the signed part: Ed25519)');
  });

  it.each([
    ['RSA-2048', 'RSA 2048 bits'],
    ['P-384', 'EC P-384'],
    ['Ed25519', 'Ed25519'],
    ['ML-DSA-44', 'ML-DSA-44'],
  ] as const)('a key of %s', (kind, expected) => {
    const { certificate } = issue({ key: makeKey(kind) });
    expect(publicKeyText(certificate.subjectPublicKeyInfo)).toBe(expected);
  });

  it('a key that is none', () => {
    const algorithm = { oid: '1.2.840.113549.1.1.1', parameters: undefined, der: new Uint8Array() };
    const text = publicKeyText({ der: new Uint8Array(), algorithm, bits: Uint8Array.of(1) });
    expect(text).toBe('RSA key that is malformed');
  });
});
