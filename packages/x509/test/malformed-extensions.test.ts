/** Known extensions that are not what RFC 5280 section 4.2 says: the certificate is malformed, critical or not. */
import { describe, expect, it } from 'vitest';
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  fromHex,
  utf8String,
  writeElement,
  writeExplicit,
  writeImplicit,
  writeInteger,
  writeNull,
  writeOctetString,
  writeOid,
  writeSequence,
} from './support/der.ts';
import { refuses, type Row } from './support/malformed.ts';
import {
  OID,
  certificatePolicies,
  distributionPoint,
  extension,
  general,
  makeCertificate,
  name,
  parseOrThrow,
} from './support/pki.ts';

const hex = fromHex;

/** The certificate with an extension whose value is this. */
const inExtension = (oid: string, wrong: Uint8Array, at: number, problem: RegExp): Row => ({
  wrong,
  at,
  problem,
  input: { extensions: [extension(oid, wrong)] },
});

const ia5High = writeElement(contextPrimitive(2), hex('61e462'));
const point = (...parts: Uint8Array[]): Uint8Array => writeSequence(writeSequence(...parts));
const subtree = (number: number, ...bases: Uint8Array[]): Uint8Array =>
  writeSequence(writeExplicit(number, ...bases.map((base) => writeSequence(base))));

const known: Record<string, Row> = {
  // 4.2.1.1
  'authorityKeyIdentifier with an issuer alone': inExtension(
    OID.authorityKeyIdentifier,
    writeSequence(writeExplicit(1, general.directory('x'))),
    0,
    /only one of issuer and serial/,
  ),
  'authorityKeyIdentifier with a serial number alone': inExtension(
    OID.authorityKeyIdentifier,
    writeSequence(writeInteger(0x77665544, contextPrimitive(2))),
    0,
    /only one of issuer and serial/,
  ),
  'authorityKeyIdentifier with a constructed key identifier': inExtension(
    OID.authorityKeyIdentifier,
    writeSequence(writeElement(contextConstructed(0), writeOctetString(hex('aa')))),
    2,
    /after/,
  ),
  'authorityKeyIdentifier with an empty issuer': inExtension(
    OID.authorityKeyIdentifier,
    writeSequence(writeExplicit(1), writeInteger(0x776655, contextPrimitive(2))),
    4,
    /without a name/,
  ),
  // 4.2.1.2
  'subjectKeyIdentifier without its OCTET STRING': inExtension(
    OID.subjectKeyIdentifier,
    hex('8899aabbccddeeff'),
    0,
    /OCTET STRING expected/,
  ),
  'subjectKeyIdentifier with octets behind it': inExtension(
    OID.subjectKeyIdentifier,
    hex('0403bbccdd00'),
    5,
    /after/,
  ),
  // 4.2.1.3
  'keyUsage without a bit': inExtension(OID.keyUsage, bitString(hex('')), 0, /without a usage/),
  'keyUsage of zero bits': inExtension(OID.keyUsage, bitString(hex('00'), 7), 3, /zero bit/),
  'keyUsage with unused bits that are set': inExtension(
    OID.keyUsage,
    bitString(hex('87'), 2),
    3,
    /unused bits/,
  ),
  'keyUsage with a zero bit at its end': inExtension(OID.keyUsage, bitString(hex('06'), 0), 3, /zero bit/),
  'keyUsage that is empty': {
    wrong: extension(OID.keyUsage, hex('')),
    at: 9,
    problem: /missing/,
    input: { extensions: [extension(OID.keyUsage, hex(''))] },
  },
  'keyUsage that is an INTEGER': inExtension(OID.keyUsage, hex('02020106'), 0, /BIT STRING expected/),
  // 4.2.1.4
  'certificatePolicies without a policy': inExtension(
    OID.certificatePolicies,
    writeSequence(),
    2,
    /without a policy/,
  ),
  'certificatePolicies with one twice': {
    wrong: writeSequence(writeSequence(writeOid('1.2.3')), writeSequence(writeOid('1.2.3'))),
    at: 8,
    problem: /policy 1\.2\.3 is there twice/,
    input: { extensions: [certificatePolicies(['1.2.3', '1.2.3'])] },
  },
  'certificatePolicies with empty qualifiers': inExtension(
    OID.certificatePolicies,
    writeSequence(writeSequence(writeOid('1.2.3'), writeSequence())),
    10,
    /without a qualifier/,
  ),
  'certificatePolicies with a qualifier without a value': inExtension(
    OID.certificatePolicies,
    writeSequence(writeSequence(writeOid('1.2.3'), writeSequence(writeSequence(writeOid('1.2.4'))))),
    16,
    /type|missing/,
  ),
  'certificatePolicies with an OID that is not minimal': inExtension(
    OID.certificatePolicies,
    hex('30083006 06042a800304'),
    7,
    /minimal/,
  ),
  // 4.2.1.5
  'policyMappings without a mapping': inExtension(
    OID.policyMappings,
    writeSequence(),
    2,
    /without a mapping/,
  ),
  'policyMappings with half of one': inExtension(
    OID.policyMappings,
    writeSequence(writeSequence(writeOid('1.2.3'))),
    8,
    /missing/,
  ),
  'policyMappings with three OIDs': inExtension(
    OID.policyMappings,
    writeSequence(writeSequence(writeOid('1.2.3'), writeOid('1.2.4'), writeOid('1.2.5'))),
    12,
    /after/,
  ),
  // 4.2.1.6 and 4.2.1.7
  'subjectAltName without a name': inExtension(OID.subjectAltName, writeSequence(), 2, /without a name/),
  'issuerAltName without a name': inExtension(OID.issuerAltName, writeSequence(), 2, /without a name/),
  'subjectAltName with a name that is not IA5': inExtension(
    OID.subjectAltName,
    writeSequence(ia5High),
    5,
    /IA5String/,
  ),
  'subjectAltName with an address of 5 octets': inExtension(
    OID.subjectAltName,
    writeSequence(general.ip(1, 2, 3, 4, 5)),
    4,
    /IP address of 5 octets/,
  ),
  'subjectAltName with an address and a mask': inExtension(
    OID.subjectAltName,
    writeSequence(general.ip(10, 2, 3, 4, 255, 0, 0, 0)),
    4,
    /IP address of 8 octets/,
  ),
  'subjectAltName with an empty address': inExtension(
    OID.subjectAltName,
    writeSequence(general.dns('a'), general.ip()),
    7,
    /IP address of 0 octets/,
  ),
  'subjectAltName with a name of kind [9]': inExtension(
    OID.subjectAltName,
    writeSequence(writeElement(contextPrimitive(9), hex('6162'))),
    2,
    /GeneralName expected/,
  ),
  'subjectAltName with a text of its universal type': inExtension(
    OID.subjectAltName,
    writeSequence(utf8String('example')),
    2,
    /GeneralName expected/,
  ),
  'subjectAltName with a constructed DNS name': inExtension(
    OID.subjectAltName,
    writeSequence(writeElement(contextConstructed(2), utf8String('example'))),
    2,
    /GeneralName expected/,
  ),
  'subjectAltName with a directory name that is IMPLICIT': inExtension(
    OID.subjectAltName,
    writeSequence(writeImplicit(4, name('example'))),
    4,
    /SEQUENCE expected/,
  ),
  'subjectAltName with an other name without a value': inExtension(
    OID.subjectAltName,
    writeSequence(writeExplicit(0, writeOid('1.2.3.4'))),
    9,
    /missing/,
  ),
  'subjectAltName with a registered identifier that is not minimal': inExtension(
    OID.subjectAltName,
    writeSequence(writeElement(contextPrimitive(8), hex('2a8003'))),
    5,
    /minimal/,
  ),
  // 4.2.1.9
  'basicConstraints with cA 01': inExtension(OID.basicConstraints, hex('3003010101'), 4, /BOOLEAN/),
  'basicConstraints with a negative path length': inExtension(
    OID.basicConstraints,
    hex('30060101ff0201ff'),
    7,
    /negative/,
  ),
  'basicConstraints with a path length that is not minimal': inExtension(
    OID.basicConstraints,
    hex('30070101ff02020001'),
    7,
    /minimal/,
  ),
  'basicConstraints with a third field': inExtension(
    OID.basicConstraints,
    hex('30080101ff0201010500'),
    8,
    /after/,
  ),
  'basicConstraints with its fields in the wrong order': inExtension(
    OID.basicConstraints,
    hex('30060201010101ff'),
    5,
    /after/,
  ),
  // 4.2.1.10
  'nameConstraints without a subtree': inExtension(
    OID.nameConstraints,
    writeSequence(),
    0,
    /without a subtree/,
  ),
  'nameConstraints with an empty list': inExtension(
    OID.nameConstraints,
    writeSequence(writeExplicit(0)),
    4,
    /without a subtree/,
  ),
  'nameConstraints with an address without a mask': inExtension(
    OID.nameConstraints,
    subtree(0, general.ip(10, 9, 8, 7)),
    8,
    /address and mask of 4 octets/,
  ),
  'nameConstraints with a negative minimum': inExtension(
    OID.nameConstraints,
    writeSequence(writeExplicit(1, writeSequence(general.dns('x'), writeInteger(-1, contextPrimitive(0))))),
    11,
    /negative/,
  ),
  'nameConstraints with the excluded before the permitted': inExtension(
    OID.nameConstraints,
    writeSequence(
      writeExplicit(1, writeSequence(general.dns('x'))),
      writeExplicit(0, writeSequence(general.dns('y'))),
    ),
    9,
    /after/,
  ),
  // 4.2.1.11
  'policyConstraints without a constraint': inExtension(
    OID.policyConstraints,
    writeSequence(),
    0,
    /without a constraint/,
  ),
  'policyConstraints with a negative count': inExtension(
    OID.policyConstraints,
    writeSequence(writeInteger(-128, contextPrimitive(0))),
    4,
    /negative/,
  ),
  // 4.2.1.12
  'extendedKeyUsage without a purpose': inExtension(OID.extendedKeyUsage, writeSequence(), 2, /missing/),
  'extendedKeyUsage with something else': inExtension(
    OID.extendedKeyUsage,
    writeSequence(writeOid('1.2.3'), writeNull()),
    6,
    /OBJECT IDENTIFIER expected/,
  ),
  // 4.2.1.13 and 4.2.1.15
  'cRLDistributionPoints without a point': inExtension(
    OID.cRLDistributionPoints,
    writeSequence(),
    2,
    /no distribution point/,
  ),
  'freshestCRL without a point': inExtension(OID.freshestCRL, writeSequence(), 2, /no distribution point/),
  'a distribution point with reasons alone': inExtension(
    OID.cRLDistributionPoints,
    writeSequence(distributionPoint({ reasons: ['keyCompromise'] })),
    2,
    /without name and cRLIssuer/,
  ),
  'a distribution point with an empty full name': inExtension(
    OID.cRLDistributionPoints,
    point(writeExplicit(0, writeExplicit(0))),
    8,
    /without a name/,
  ),
  'a distribution point with an empty relative name': inExtension(
    OID.cRLDistributionPoints,
    point(writeExplicit(0, writeExplicit(1))),
    8,
    /without attributes/,
  ),
  'a distribution point whose reasons end with a zero bit': inExtension(
    OID.cRLDistributionPoints,
    point(writeExplicit(0, writeExplicit(0, general.uri('u'))), bitString(hex('40'), 0, contextPrimitive(1))),
    14,
    /zero bit/,
  ),
  // 4.2.1.14
  'inhibitAnyPolicy that is negative': inExtension(OID.inhibitAnyPolicy, hex('0202ff01'), 2, /negative/),
  'inhibitAnyPolicy that is no INTEGER': inExtension(
    OID.inhibitAnyPolicy,
    hex('0a02 0102'),
    0,
    /INTEGER expected/,
  ),
  // 4.2.2: not critical, and malformed all the same
  'authorityInfoAccess without a description': inExtension(
    OID.authorityInfoAccess,
    writeSequence(),
    2,
    /without a description/,
  ),
  'authorityInfoAccess without a location': inExtension(
    OID.authorityInfoAccess,
    writeSequence(writeSequence(writeOid(OID.ocsp))),
    14,
    /GeneralName expected/,
  ),
  'authorityInfoAccess that is a URI': inExtension(
    OID.authorityInfoAccess,
    new Uint8Array(Buffer.from('http://a.example')),
    0,
    /SEQUENCE expected/,
  ),
  'subjectInfoAccess without a description': inExtension(
    OID.subjectInfoAccess,
    writeSequence(),
    2,
    /without a description/,
  ),
};

describe('refused, critical or not', () => {
  it.each(Object.entries(known))('%s', (_title, row) => refuses(row));
});

describe('read', () => {
  const parsed = (oid: string, value: Uint8Array) =>
    parseOrThrow(makeCertificate({ extensions: [extension(oid, value)] }));

  it('keyUsage with bits that the RFC does not name', () => {
    const { keyUsage } = parsed(OID.keyUsage, bitString(hex('8040'), 6));
    expect(keyUsage).toEqual(new Set(['digitalSignature']));
  });
  it('all nine usages', () => {
    const { keyUsage } = parsed(OID.keyUsage, bitString(hex('ff80'), 7));
    expect(keyUsage?.size).toBe(9);
  });
  it('basicConstraints that are empty, and with an explicit FALSE', () => {
    const none = { ca: false, pathLen: undefined };
    expect(parsed(OID.basicConstraints, hex('3000')).basicConstraints).toEqual(none);
    expect(parsed(OID.basicConstraints, hex('3003010100')).basicConstraints).toEqual(none);
  });
  it('a path length without cA, for path validation to judge', () => {
    expect(parsed(OID.basicConstraints, hex('3003020101')).basicConstraints).toEqual({
      ca: false,
      pathLen: 1,
    });
  });
  it('a path length that no number holds', () => {
    const { basicConstraints } = parsed(OID.basicConstraints, hex('300c0101ff02077fffffffffffff'));
    expect(basicConstraints).toEqual({ ca: true, pathLen: Number.MAX_SAFE_INTEGER });
  });
  it('an authorityKeyIdentifier that is empty', () => {
    expect(parsed(OID.authorityKeyIdentifier, hex('3000')).authorityKeyIdentifier).toEqual({
      keyIdentifier: undefined,
      issuer: undefined,
      serialNumber: undefined,
    });
  });
  it('names of every kind', () => {
    const names = [
      general.other('1.2.3', utf8String('x')),
      general.email('a@b'),
      general.dns(''),
      general.x400(),
      general.directory('d'),
      general.edi(),
      general.uri('u:'),
      general.ip(...new Uint8Array(16)),
      general.registered('1.2.3'),
    ];
    const { subjectAltName } = parsed(OID.subjectAltName, writeSequence(...names));
    const kinds = ['other', 'email', 'dns', 'x400', 'directory', 'edi', 'uri', 'ip', 'registered'];
    expect(subjectAltName?.map(({ kind }) => kind)).toEqual(kinds);
  });
  it('an unknown extension of any octets', () => {
    const { extensions } = parsed('1.2.3.4', hex('80'));
    expect(extensions).toMatchObject([{ oid: '1.2.3.4', critical: false, value: hex('80') }]);
  });
  it('an extension that is not critical and says so', () => {
    const explicit = writeSequence(writeOid('1.2.3'), hex('010100'), writeOctetString(hex('0500')));
    const { extensions } = parseOrThrow(makeCertificate({ extensions: [explicit] }));
    expect(extensions).toMatchObject([{ oid: '1.2.3', critical: false }]);
  });
});
