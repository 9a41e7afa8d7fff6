/** Well-formed certificates at random, with every extension that this package knows. */
import fc from 'fast-check';
import { KEY_USAGES, REVOCATION_REASONS } from '../../src/certificate/types.ts';
import { ia5String, printableString, utf8String, writeSequence, writeOid } from './der.ts';
import {
  OID,
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  cRLDistributionPoints,
  certificatePolicies,
  extendedKeyUsage,
  extension,
  freshestCRL,
  general,
  inhibitAnyPolicy,
  keyUsage,
  makeCertificate,
  makeKey,
  nameConstraints,
  policyConstraints,
  policyMappings,
  subjectAltName,
  subjectKeyIdentifier,
  type NameInput,
} from './pki.ts';

const keys = [makeKey('P-256'), makeKey('P-384'), makeKey('Ed25519'), makeKey('RSA-2048')];
const label = fc.stringMatching(/^[a-z0-9-]{1,12}$/u);
const oid = fc
  .tuple(fc.integer({ min: 0, max: 39 }), fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 5 }))
  .map(([second, arcs]) => ['1', second, ...arcs].join('.'));
const octets = fc.uint8Array({ minLength: 1, maxLength: 20 });
const skip = fc.nat(200);

const name: fc.Arbitrary<NameInput> = fc.array(
  fc.tuple(
    fc.constantFrom('C', 'O', 'OU', 'CN', 'serialNumber', '1.2.3.4'),
    fc.oneof(
      fc.string({ minLength: 1, unit: 'grapheme' }).map(utf8String),
      label.map(printableString),
      label.map(ia5String),
    ),
  ),
  { maxLength: 5 },
);

const octet = fc.integer({ min: 0, max: 255 });
const addressOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.array(octet, { minLength: length, maxLength: length }).map((all) => general.ip(...all));
/** With a mask of a prefix, as constraints have it. */
const subnetOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.array(octet, { minLength: length, maxLength: length }), fc.integer({ min: 0, max: 8 * length }))
    .map(([address, prefix]) => general.ip(...address, ...maskOf(length, prefix)));
const maskOf = (length: number, prefix: number): number[] =>
  Array.from({ length }, (_, at) => (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * at))) & 0xff);

const textName = fc.oneof(
  label.map((text) => general.dns(`${text}.example`)),
  label.map((text) => general.email(`${text}@example`)),
  label.map((text) => general.uri(`http://${text}/`)),
  oid.map((value) => general.registered(value)),
  name.map((value) => general.directory(value)),
);
const generalName = fc.oneof(
  textName,
  addressOf(4),
  addressOf(16),
  fc.tuple(oid, label).map(([type, text]) => general.other(type, utf8String(text))),
);
const generalNames = fc.array(generalName, { minLength: 1, maxLength: 4 });
const subtrees = fc.array(fc.oneof(textName, subnetOf(4), subnetOf(16)), { minLength: 1, maxLength: 4 });
const oids = fc.uniqueArray(oid, { minLength: 1, maxLength: 4 });
const points = fc.array(
  fc.record(
    {
      fullName: generalNames,
      reasons: fc.subarray([...REVOCATION_REASONS], { minLength: 1 }),
      crlIssuer: generalNames,
    },
    { requiredKeys: ['fullName'] },
  ),
  { minLength: 1, maxLength: 3 },
);

const withQualifier = (policy: string): Uint8Array =>
  writeSequence(
    writeOid(policy),
    writeSequence(writeSequence(writeOid('1.3.6.1.5.5.7.2.1'), ia5String('http://a.example/'))),
  );

const perExtension: fc.Arbitrary<Uint8Array>[] = [
  fc
    .tuple(fc.boolean(), fc.option(skip, { nil: undefined }))
    .map(([ca, pathLen]) => basicConstraints(ca, pathLen)),
  fc.subarray([...KEY_USAGES], { minLength: 1 }).map((usages) => keyUsage(...usages)),
  oids.map((all) => extendedKeyUsage(all)),
  generalNames.map((all) => subjectAltName(all)),
  generalNames.map((all) => extension(OID.issuerAltName, writeSequence(...all))),
  octets.map((value) => subjectKeyIdentifier(value)),
  fc
    .tuple(octets, generalNames, fc.bigInt({ min: 0n, max: 2n ** 150n }), fc.boolean())
    .map(([keyIdentifier, issuer, serialNumber, whole]) =>
      authorityKeyIdentifier(whole ? { keyIdentifier, issuer, serialNumber } : { keyIdentifier }),
    ),
  fc
    .tuple(oids, fc.boolean())
    .map(([all, isQualified]) => certificatePolicies(isQualified ? all.map(withQualifier) : all)),
  fc.array(fc.tuple(oid, oid), { minLength: 1, maxLength: 3 }).map((rows) => policyMappings(rows)),
  fc
    .tuple(skip, skip)
    .map(([requireExplicitPolicy, inhibitPolicyMapping]) =>
      policyConstraints({ requireExplicitPolicy, inhibitPolicyMapping }),
    ),
  skip.map(inhibitAnyPolicy),
  fc.tuple(subtrees, subtrees).map(([permitted, excluded]) => nameConstraints({ permitted, excluded })),
  points.map((all) => cRLDistributionPoints(all)),
  points.map((all) => freshestCRL(all)),
  generalNames.map((all) => authorityInfoAccess(all.map((location) => [OID.ocsp, location]))),
  fc
    .tuple(oid, octets, fc.boolean())
    .map(([type, value, critical]) => extension(`${type}.7`, value, critical)),
];

const dates = fc.integer({ min: Date.parse('1950-01-01') / 1000, max: Date.parse('9999-12-31') / 1000 });

/** DER. Fields may say anything, its form is right. */
export const generatedCertificate: fc.Arbitrary<Uint8Array> = fc
  .record({
    key: fc.constantFrom(...keys),
    serial: fc.bigInt({ min: -(2n ** 70n), max: 2n ** 159n }),
    subject: name,
    issuer: name,
    notBefore: dates.map((seconds) => new Date(seconds * 1000)),
    notAfter: dates.map((seconds) => new Date(seconds * 1000)),
    extensions: fc.subarray(perExtension).chain((chosen) => fc.tuple(...chosen)),
  })
  // Nothing here verifies a signature, and making one takes longer than all the rest.
  .map((input) => makeCertificate({ ...input, signatureValue: new Uint8Array(64).fill(7) }));
