import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { parseCertificateList } from '../../src/revocation/crl/parse.ts';
import {
  generalizedTime,
  time,
  utf8String,
  writeElement,
  writeExplicit,
  writeInteger,
  writeSequence,
} from '../support/der.ts';
import {
  extension,
  general,
  issuingDistributionPoint,
  makeCrl,
  OID,
  THIS_UPDATE,
  type CrlInput,
} from '../support/pki.ts';

const T = THIS_UPDATE;
const reason = (number: number): Uint8Array => extension(OID.reasonCode, writeInteger(number, 0x0a));
const row = (...parts: readonly Uint8Array[]): Uint8Array =>
  writeSequence(writeInteger(5), time(T), ...parts);
const idp = (...parts: readonly Uint8Array[]): Uint8Array =>
  extension(OID.issuingDistributionPoint, writeSequence(...parts), true);
const replaced =
  (index: number, ...elements: readonly Uint8Array[]) =>
  (fields: readonly Uint8Array[]): readonly Uint8Array[] =>
    fields.toSpliced(index, 1, ...elements);

const REFUSED: readonly (readonly [what: string, input: CrlInput, problem: string])[] = [
  ['version 1, said', { version: 0 }, 'a version that no list has'],
  ['version 3', { version: 2 }, 'a version that no list has'],
  ['a negative version', { version: -1 }, 'a negative INTEGER'],
  ['no issuer', { issuer: writeSequence() }, 'a list without the name of its issuer'],
  ['GeneralizedTime before 2050', { thisUpdate: generalizedTime(T) }, 'a time before 2050 is a UTCTime'],
  [
    'GeneralizedTime before 2050 in nextUpdate',
    { nextUpdate: generalizedTime(T) },
    'a time before 2050 is a UTCTime',
  ],
  [
    'GeneralizedTime before 2050 in an entry',
    { revoked: [{ serial: 1, at: generalizedTime(T) }] },
    'a time before 2050 is a UTCTime',
  ],
  ['no thisUpdate', { mapFields: replaced(3), nextUpdate: null }, 'GeneralizedTime is missing'],
  [
    'an empty list of entries',
    { mapFields: replaced(4, time(T), writeSequence()) },
    'without revoked certificates the list of them is absent',
  ],
  ['an entry that is empty', { revoked: [writeSequence()] }, 'an entry begins with a serial number'],
  ['an entry without a time', { revoked: [writeSequence(writeInteger(1))] }, 'GeneralizedTime is missing'],
  [
    'an entry whose number is text',
    { revoked: [writeSequence(utf8String('1'), time(T))] },
    'an entry begins with a serial number',
  ],
  [
    'an entry whose number is not minimal',
    { revoked: [writeSequence(Uint8Array.of(2, 2, 0, 1), time(T))] },
    'an INTEGER that is not minimal',
  ],
  [
    'an entry with something behind its extensions',
    { revoked: [row(writeSequence(reason(1)), writeInteger(1))] },
    'octets after the last element',
  ],
  ['an entry with empty extensions', { revoked: [row(writeSequence())] }, 'Extensions without an extension'],
  [
    'an entry with an extension twice',
    { revoked: [row(writeSequence(reason(1), reason(1)))] },
    'the extension 2.5.29.21 is there twice',
  ],
  ['a reason that is not used', { revoked: [row(writeSequence(reason(7)))] }, 'no CRLReason has this number'],
  ['a reason beyond the last', { revoked: [row(writeSequence(reason(11)))] }, 'no CRLReason has this number'],
  [
    'a reason that is an INTEGER',
    { revoked: [row(writeSequence(extension(OID.reasonCode, writeInteger(1))))] },
    'ENUMERATED expected, not INTEGER',
  ],
  [
    'an invalidity date in UTCTime',
    { revoked: [row(writeSequence(extension(OID.invalidityDate, time(T))))] },
    'GeneralizedTime expected, not UTCTime',
  ],
  [
    'an empty certificate issuer',
    { revoked: [row(writeSequence(extension(OID.certificateIssuer, writeSequence(), true)))] },
    'GeneralNames without a name',
  ],
  [
    'extensions of an entry in version 1',
    { version: null, revoked: [row(writeSequence(reason(1)))] },
    'entries have extensions in version 2 alone',
  ],
  ['extensions in version 1', { version: null, crlNumber: 1 }, 'a list has extensions in version 2 alone'],
  [
    'empty extensions',
    { mapFields: (fields) => [...fields, writeExplicit(0, writeSequence())] },
    'Extensions without an extension',
  ],
  [
    'something behind the extensions',
    { crlNumber: 1, mapFields: (fields) => [...fields, writeInteger(1)] },
    'octets after the last element',
  ],
  [
    'an extension twice',
    { crlNumber: 1, extensions: [extension(OID.cRLNumber, writeInteger(1))] },
    'the extension 2.5.29.20 is there twice',
  ],
  ['a negative CRL number', { crlNumber: -1 }, 'a negative CRL number'],
  ['a CRL number of 21 octets', { crlNumber: 1n << 160n }, 'a CRL number of more than 20 octets'],
  [
    'a base number that is text',
    { extensions: [extension(OID.deltaCRLIndicator, utf8String('1'), true)] },
    'INTEGER expected, not UTF8String',
  ],
  ['an empty IDP', { extensions: [idp()] }, 'an empty issuing distribution point'],
  [
    'an IDP with fields out of order',
    { extensions: [idp(writeElement(0x82, Uint8Array.of(0xff)), writeElement(0x81, Uint8Array.of(0xff)))] },
    'octets after the last element',
  ],
  [
    'an IDP with a flag that is neither',
    { extensions: [idp(writeElement(0x81, Uint8Array.of(1)))] },
    'a BOOLEAN is 00 or FF',
  ],
  [
    'an IDP with an empty name',
    { extensions: [idp(writeExplicit(0, writeExplicit(0)))] },
    'GeneralNames without a name',
  ],
];

describe('parseCertificateList', () => {
  it.each(REFUSED)('refuses %s', (_what, input, problem) => {
    const parsed = parseCertificateList(makeCrl(input));
    expect(parsed.ok ? 'parsed' : parsed.failure.problem).toBe(problem);
  });
  it('refuses a signature with unused bits', () => {
    const der = makeCrl({ signatureValue: Uint8Array.of(1, 2, 4) });
    der[der.length - 4] = 2;
    const parsed = parseCertificateList(der);
    expect(parsed.ok ? 'parsed' : parsed.failure).toEqual({
      offset: der.length - 4,
      problem: 'a BIT STRING of whole octets has no unused bits',
    });
  });
  it('refuses what follows the list', () => {
    const der = makeCrl();
    const parsed = parseCertificateList(Uint8Array.of(...der, 0));
    expect(parsed.ok ? 'parsed' : parsed.failure).toEqual({
      offset: der.length,
      problem: 'octets after the last element',
    });
  });
  it('refuses more octets than the limit', () => {
    const der = makeCrl();
    expect(parseCertificateList(der, { ...DEFAULT_LIMITS, crlBytes: der.length }).ok).toBe(true);
    expect(parseCertificateList(der, { ...DEFAULT_LIMITS, crlBytes: der.length - 1 })).toMatchObject({
      ok: false,
    });
  });
  it('refuses a name and extensions of more than 65,536 octets: only entries may be many', () => {
    const large = extension('1.2.3', new Uint8Array(65_536));
    const common = { crlNumber: 1 };
    const problem = 'more than 65536 octets that are not entries';
    const inputs: readonly CrlInput[] = [
      { ...common, extensions: [large] },
      { ...common, revoked: [{ serial: 1, extensions: [large] }] },
      { ...common, issuer: [['CN', 'x'.repeat(65_536)]] },
    ];
    for (const input of inputs) {
      const parsed = parseCertificateList(makeCrl(input));
      expect(parsed.ok ? 'parsed' : parsed.failure.problem).toBe(problem);
    }
    const many = Array.from({ length: 5_000 }, (_, serial) => ({ serial, reason: 'superseded' }));
    expect(parseCertificateList(makeCrl({ ...common, revoked: many })).ok).toBe(true);
  });
  it('gives every field', () => {
    const parsed = parseCertificateList(
      makeCrl({
        crlNumber: 258,
        deltaOf: 0,
        extensions: [
          issuingDistributionPoint({
            fullName: [general.uri('u:')],
            indirectCRL: true,
            onlySomeReasons: ['superseded'],
          }),
        ],
        revoked: [
          {
            serial: 1,
            certificateIssuer: [general.directory('x')],
            reason: 'removeFromCRL',
            invalidityDate: T,
          },
          { serial: -1 },
        ],
      }),
    );
    if (!parsed.ok) throw new Error(parsed.failure.problem);
    const { version, cRLNumber, deltaCRLIndicator, issuingDistributionPoint: point, entries } = parsed.value;
    expect({ version, cRLNumber, deltaCRLIndicator }).toEqual({
      version: 2,
      cRLNumber: 258n,
      deltaCRLIndicator: 0n,
    });
    expect(point).toEqual({
      name: { kind: 'full', names: [{ kind: 'uri', value: 'u:' }] },
      onlyContainsUserCerts: false,
      onlyContainsCACerts: false,
      onlySomeReasons: ['superseded'],
      indirectCRL: true,
      onlyContainsAttributeCerts: false,
    });
    expect([...entries]).toMatchObject([
      {
        serialNumber: Uint8Array.of(1),
        reason: 'removeFromCRL',
        invalidityDateMs: T.getTime(),
        certificateIssuer: [{ kind: 'directory' }],
      },
      {
        serialNumber: Uint8Array.of(0xff),
        reason: 'unspecified',
        invalidityDateMs: undefined,
        certificateIssuer: [{ kind: 'directory' }],
      },
    ]);
    expect(entries).toMatchObject({
      count: 2,
      hasCertificateIssuer: true,
      hasUnknownCriticalExtension: false,
    });
  });
});
