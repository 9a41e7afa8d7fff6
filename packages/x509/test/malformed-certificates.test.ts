/** Certificates that are none (RFC 5280 section 4): one test for each way, and the octet at which the parser says so. */
import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../src/certificate/parse-certificate.ts';
import {
  ATTRIBUTE,
  PRINTABLE_STRING,
  SET,
  bitString,
  contextPrimitive,
  fromHex,
  generalizedTime,
  utf8String,
  writeElement,
  writeExplicit,
  writeInteger,
  writeNull,
  writeOctetString,
  writeOid,
  writeSequence,
} from './support/der.ts';
import {
  AT,
  extension,
  keyUsage,
  makeCertificate,
  parseOrThrow,
  type CertificateInput,
} from './support/pki.ts';
import { refuses, v3, type Row } from './support/malformed.ts';

const hex = fromHex;
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** Field `index` of the signed part of a v3 certificate: version, serial, algorithm, issuer, validity, subject, key. */
const field =
  (index: number, element: Uint8Array): NonNullable<CertificateInput['mapFields']> =>
  (fields) =>
    fields.with(index, element);

/** The certificate with this field, which is wrong at an octet. */
const inField = (index: number, wrong: Uint8Array, at: number, problem: RegExp): Row => ({
  wrong,
  at,
  problem,
  input: { ...v3, mapFields: field(index, wrong) },
});

const time = (tag: number, text: string): Uint8Array => writeElement(tag, ascii(text));
const validity = (from: Uint8Array, until: Uint8Array): Uint8Array => writeSequence(from, until);
const rdn = (...attributes: Uint8Array[]): Uint8Array => writeSequence(writeElement(SET, ...attributes));
const cn = (value: Uint8Array): Uint8Array => writeSequence(writeOid(ATTRIBUTE.CN), value);
const until = generalizedTime(new Date('2060-01-01'));

const fields: Record<string, Row> = {
  'version 4': inField(0, writeExplicit(0, writeInteger(3)), 2, /version/),
  'version v1 written out (DER leaves a DEFAULT out)': inField(
    0,
    writeExplicit(0, writeInteger(0)),
    2,
    /version/,
  ),
  'a negative version': inField(0, writeExplicit(0, writeInteger(-1)), 4, /negative/),
  'a version and something behind it': inField(0, writeExplicit(0, writeInteger(2), writeNull()), 5, /after/),
  'a version that is no INTEGER': inField(0, writeExplicit(0, writeNull()), 2, /INTEGER expected/),
  'a serial number without octets': inField(1, hex('0200'), 2, /without octets/),
  'a serial number that is not minimal': inField(1, hex('0206007f00000001'), 2, /minimal/),
  'a serial number of another type': inField(1, hex('0a0455aa55aa'), 0, /INTEGER expected/),
  'an algorithm without an OID': inField(2, hex('30020500'), 2, /OBJECT IDENTIFIER expected/),
  'an algorithm with two parameters': inField(2, hex('300a06042a0304020500 0500'), 10, /after/),
  'an algorithm whose parameters are not DER': inField(2, hex('300a06042a0304020202007f'), 10, /minimal/),
  'an issuer that is a SET': inField(3, hex('3100'), 0, /SEQUENCE expected/),
  'a name with an empty RDN': inField(3, writeSequence(writeElement(SET)), 4, /without attributes/),
  'an attribute without a value': inField(3, rdn(writeSequence(writeOid('2.5.4.77'))), 11, /missing|type/),
  'an attribute with two values': inField(
    3,
    rdn(writeSequence(writeOid('2.5.4.77'), utf8String('a'), utf8String('b'))),
    14,
    /after/,
  ),
  'a name that is not UTF-8': inField(5, rdn(cn(hex('0c02c328'))), 13, /UTF8String/),
  'a PrintableString above 7f': inField(
    5,
    rdn(cn(writeElement(PRINTABLE_STRING, hex('41e4')))),
    14,
    /Printable/,
  ),
  'an RDN whose elements do not ascend': inField(
    5,
    rdn(cn(utf8String('b')), cn(utf8String('a'))),
    14,
    /ascend/,
  ),
  'a validity with one end': inField(4, writeSequence(until), 19, /missing/),
  'a validity with three': inField(4, writeSequence(until, until, until), 36, /after/),
  'a validity that is indefinite': inField(4, hex('3080 0000'), 1, /indefinite/),
  'a UTCTime without seconds': inField(4, validity(time(0x17, '2601010000Z'), until), 4, /UTCTime/),
  'a UTCTime with an offset': inField(4, validity(time(0x17, '2601010000+0000'), until), 4, /UTCTime/),
  'a UTCTime of 30 February': inField(4, validity(time(0x17, '260230000000Z'), until), 4, /UTCTime/),
  'a GeneralizedTime with a fraction': inField(
    4,
    validity(until, time(0x18, '20600101000000.5Z')),
    21,
    /Generalized/,
  ),
  'a GeneralizedTime of local time': inField(
    4,
    validity(until, time(0x18, '20600101000000')),
    21,
    /Generalized/,
  ),
  'a time that is text': inField(
    4,
    validity(until, time(0x13, '20600101000000Z')),
    19,
    /GeneralizedTime expected/,
  ),
  'a key without its bits': inField(6, writeSequence(writeSequence(writeOid('1.2.3.4'))), 9, /missing/),
  'a key with unused bits': inField(
    6,
    writeSequence(writeSequence(writeOid('1.2.3.4')), bitString(hex('aabb00'), 1)),
    11,
    /unused/,
  ),
  'a key with something behind it': inField(
    6,
    writeSequence(writeSequence(writeOid('1.2.3.4')), bitString(hex('aabb00')), writeNull()),
    15,
    /after/,
  ),
  'a key in an OCTET STRING': inField(
    6,
    writeSequence(writeSequence(writeOid('1.2.3.4')), writeOctetString(hex('aabb00'))),
    9,
    /BIT STRING expected/,
  ),
};

const unique = bitString(hex('abcdef'), 0, contextPrimitive(1));
const extensionsField = writeExplicit(3, writeSequence(keyUsage('cRLSign')));
const structure: Record<string, Row> = {
  nothing: { wrong: hex(''), at: 0, problem: /missing/, map: () => hex('') },
  text: { wrong: ascii('-----BEGIN'), at: 0, problem: /SEQUENCE expected/, map: () => ascii('-----BEGIN') },
  'a unique identifier in v1': {
    wrong: unique,
    at: 0,
    problem: /unique identifier in v1/,
    input: { version: 1, issuerUniqueId: hex('abcdef') },
  },
  'unique identifiers in the wrong order': {
    wrong: unique,
    at: 0,
    problem: /after/,
    input: { version: 3, mapFields: (all) => [...all, bitString(hex('77'), 0, contextPrimitive(2)), unique] },
  },
  'a unique identifier with unused bits that are set': {
    wrong: hex('810203ff'),
    at: 3,
    problem: /unused bits/,
    input: { version: 2, mapFields: (all) => [...all, hex('810203ff')] },
  },
  'extensions in v1': {
    wrong: extensionsField,
    at: 0,
    problem: /extensions in v1/,
    input: { version: 1, extensions: [keyUsage('cRLSign')] },
  },
  'extensions in v2': {
    wrong: extensionsField,
    at: 0,
    problem: /extensions in v2/,
    input: { version: 2, extensions: [keyUsage('cRLSign')] },
  },
  'extensions without an extension': {
    wrong: hex('a3023000'),
    at: 4,
    problem: /without an extension/,
    input: { version: 3, mapFields: (all) => [...all, hex('a3023000')] },
  },
  'two lists of extensions': {
    wrong: joined(extensionsField, extensionsField),
    at: extensionsField.length,
    problem: /after/,
    input: { version: 3, mapFields: (all) => [...all, extensionsField, extensionsField] },
  },
  'two lists of extensions in one field': {
    wrong: writeExplicit(3, writeSequence(keyUsage('cRLSign')), writeSequence()),
    at: extensionsField.length,
    problem: /after/,
    input: {
      version: 3,
      mapFields: (all) => [...all, writeExplicit(3, writeSequence(keyUsage('cRLSign')), writeSequence())],
    },
  },
  'octets behind the signed fields': {
    wrong: joined(extensionsField, hex('0500')),
    at: extensionsField.length,
    problem: /after/,
    input: { version: 3, mapFields: (all) => [...all, extensionsField, hex('0500')] },
  },
  'an extension without a value': {
    wrong: writeSequence(writeOid('1.2.3')),
    at: 6,
    problem: /missing/,
    input: { extensions: [writeSequence(writeOid('1.2.3'))] },
  },
  'an extension that is critical with 01': {
    wrong: writeSequence(writeOid('1.2.3'), hex('010101'), writeOctetString(hex('0500'))),
    at: 8,
    problem: /BOOLEAN/,
    input: { extensions: [writeSequence(writeOid('1.2.3'), hex('010101'), writeOctetString(hex('0500')))] },
  },
  'an extension with something behind its value': {
    wrong: writeSequence(writeOid('1.2.3'), writeOctetString(hex('0500')), writeNull()),
    at: 10,
    problem: /after/,
    input: {
      extensions: [writeSequence(writeOid('1.2.3'), writeOctetString(hex('0500')), writeNull())],
    },
  },
  'an extension with a constructed value': {
    wrong: writeSequence(writeOid('1.2.3'), hex('2402 0400')),
    at: 6,
    problem: /OCTET STRING expected/,
    input: { extensions: [writeSequence(writeOid('1.2.3'), hex('2402 0400'))] },
  },
  'a known extension twice': {
    wrong: joined(keyUsage('cRLSign'), keyUsage('keyCertSign')),
    at: keyUsage('cRLSign').length,
    problem: /twice/,
    input: { extensions: [keyUsage('cRLSign'), keyUsage('keyCertSign')] },
  },
  'an unknown extension twice, far apart': {
    wrong: extension('1.2.3.99', hex('0101ff')),
    at: 0,
    problem: /1\.2\.3\.99 is there twice/,
    input: {
      extensions: [
        extension('1.2.3.99', hex('0500')),
        ...Array.from({ length: 60 }, (_, index) => extension(`1.2.3.${index}`, hex('0500'))),
        extension('1.2.3.99', hex('0101ff')),
      ],
    },
  },
  'octets behind the signature': {
    wrong: hex('030401020304 0500'.replaceAll(' ', '')).with(2, 0),
    at: 6,
    problem: /after/,
    map: (der) => replaceLast(der, joined(bitString(hex('020304')), writeNull())),
  },
  'a signature with unused bits': {
    wrong: bitString(hex('020300'), 4),
    at: 2,
    problem: /unused/,
    map: (der) => replaceLast(der, bitString(hex('020300'), 4)),
  },
  'a signature in an OCTET STRING': {
    wrong: writeOctetString(hex('55aa55aa')),
    at: 0,
    problem: /BIT STRING expected/,
    map: (der) => replaceLast(der, writeOctetString(hex('55aa55aa'))),
  },
  'no signature': { wrong: hex(''), at: -1, problem: /missing/, map: (der) => replaceLast(der, hex('')) },
  'octets behind the certificate': {
    wrong: hex(''),
    at: -2,
    problem: /after/,
    map: (der) => joined(der, hex('00')),
  },
};

/** The certificate with other octets instead of its signatureValue. */
function replaceLast(der: Uint8Array, element: Uint8Array): Uint8Array {
  const reader = parseCertificate(der);
  if (!reader.ok) throw new Error(reader.failure.problem);
  const { tbs, signatureAlgorithm } = reader.value;
  return writeSequence(tbs, signatureAlgorithm.der, element);
}

describe('fields', () => {
  it.each(Object.entries(fields))('%s', (_title, row) => refuses(row));
});
describe('structure', () => {
  it.each(Object.entries(structure))('%s', (_title, row) => refuses(row));
});
describe('read, and for others to judge', () => {
  it.each([0, -1, -128, 2n ** 200n])('the serial number %s', (serial) => {
    expect(parseOrThrow(makeCertificate({ serial })).serialNumber).toEqual(writeInteger(serial).subarray(2));
  });
  it('a GeneralizedTime before 2050, and says so', () => {
    const early = generalizedTime(AT);
    expect(parseOrThrow(makeCertificate({ notBefore: early })).validity).toMatchObject({
      notBeforeMs: AT.getTime(),
      hasEarlyGeneralizedTime: true,
    });
    expect(parseOrThrow(makeCertificate({ notAfter: early })).validity.hasEarlyGeneralizedTime).toBe(true);
    expect(parseOrThrow(makeCertificate({ notAfter: until })).validity.hasEarlyGeneralizedTime).toBe(false);
  });
  it('names that are empty', () => {
    const { subject, issuer } = parseOrThrow(makeCertificate({ subject: [], issuer: [] }));
    expect([subject.rdns, issuer.rdns]).toEqual([[], []]);
  });
  it('unique identifiers in v2', () => {
    const input = { version: 2, issuerUniqueId: hex('01'), subjectUniqueId: hex('02') } as const;
    expect(parseOrThrow(makeCertificate(input))).toMatchObject({ version: 2, hasUniqueId: true });
  });
  it('algorithms that differ inside and outside of what is signed', () => {
    const { signature, signatureAlgorithm } = parseOrThrow(
      makeCertificate({ innerAlgorithm: writeSequence(writeOid('1.2.3')) }),
    );
    expect([signature.oid, signatureAlgorithm.oid]).toEqual(['1.2.3', '1.2.840.10045.4.3.2']);
  });
});

describe('size', () => {
  it('a certificate of exactly as many octets as are allowed, and none of one more', () => {
    const der = makeCertificate();
    expect(parseCertificate(der, { certificateBytes: der.length })).toMatchObject({ ok: true });
    expect(parseCertificate(der, { certificateBytes: der.length - 1 })).toEqual({
      ok: false,
      failure: { offset: der.length - 1, problem: `more than ${der.length - 1} octets` },
    });
  });
});
