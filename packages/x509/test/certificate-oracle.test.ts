/** Our fields against those that two other parsers read: @peculiar/asn1-x509, and OpenSSL through node:crypto. */
import { X509Certificate } from 'node:crypto';
import { AsnConvert } from '@peculiar/asn1-schema';
import * as asn1 from '@peculiar/asn1-x509';
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { addressText } from '../src/certificate/name-text.ts';
import { parseCertificate } from '../src/certificate/parse-certificate.ts';
import type { Certificate, DistributionPoint, GeneralName, Name } from '../src/certificate/types.ts';
import { KEY_USAGES, REVOCATION_REASONS } from '../src/certificate/types.ts';
import { toHex } from './support/der.ts';
import { generatedCertificate } from './support/generated.ts';
import { vectorFiles } from './support/vectors.ts';

const hexOf = (octets: ArrayBuffer | undefined): string | undefined =>
  octets && Buffer.from(octets).toString('hex');
const serialized = (value: unknown): string => Buffer.from(AsnConvert.serialize(value)).toString('hex');
const ours = (octets: Uint8Array | undefined): string | undefined => octets && toHex(octets);

/** What both say of a certificate, in one form. */
function asOurs(certificate: Certificate) {
  return {
    tbs: toHex(certificate.tbs),
    version: certificate.version,
    serialNumber: toHex(certificate.serialNumber),
    signature: [certificate.signature.oid, ours(certificate.signature.parameters)],
    issuer: nameOf(certificate.issuer),
    notBefore: certificate.validity.notBeforeMs,
    notAfter: certificate.validity.notAfterMs,
    subject: nameOf(certificate.subject),
    key: toHex(certificate.subjectPublicKeyInfo.der),
    keyBits: toHex(certificate.subjectPublicKeyInfo.bits),
    keyAlgorithm: certificate.subjectPublicKeyInfo.algorithm.oid,
    extensions: certificate.extensions.map(({ oid, critical, value }) => [oid, critical, toHex(value)]),
    signatureAlgorithm: [certificate.signatureAlgorithm.oid, ours(certificate.signatureAlgorithm.parameters)],
    signatureValue: toHex(certificate.signatureValue),
  };
}

const nameOf = ({ rdns }: Name): string[][] =>
  rdns.map((rdn) => rdn.map(({ type, tag, value }) => `${type} ${tag} ${toHex(value)}`));

function asTheirs(der: Uint8Array) {
  const { tbsCertificate: tbs, ...outside } = AsnConvert.parse(der, asn1.Certificate);
  return {
    tbs: hexOf(outside.tbsCertificateRaw ?? AsnConvert.serialize(tbs)),
    version: tbs.version + 1,
    serialNumber: hexOf(tbs.serialNumber),
    signature: [tbs.signature.algorithm, parametersOf(tbs.signature)],
    issuer: theirName(tbs.issuer),
    notBefore: tbs.validity.notBefore.getTime().getTime(),
    notAfter: tbs.validity.notAfter.getTime().getTime(),
    subject: theirName(tbs.subject),
    key: serialized(tbs.subjectPublicKeyInfo),
    keyBits: hexOf(tbs.subjectPublicKeyInfo.subjectPublicKey),
    keyAlgorithm: tbs.subjectPublicKeyInfo.algorithm.algorithm,
    extensions: (tbs.extensions ?? []).map(({ extnID, critical, extnValue }) => [
      extnID,
      critical,
      hexOf(extnValue.buffer),
    ]),
    signatureAlgorithm: [outside.signatureAlgorithm.algorithm, parametersOf(outside.signatureAlgorithm)],
    signatureValue: hexOf(outside.signatureValue),
  };
}

const parametersOf = ({ parameters }: asn1.AlgorithmIdentifier): string | undefined =>
  parameters === null ? '0500' : hexOf(parameters);

function theirName(name: asn1.Name): string[][] {
  return [...name].map((rdn) =>
    [...rdn].map(({ type, value }) => {
      const element = new Uint8Array(AsnConvert.serialize(value));
      const header = (element[1] ?? 0) < 0x80 ? 2 : 2 + ((element[1] ?? 0) & 0x7f);
      return `${type} ${(element[0] ?? 0) & 0x1f} ${toHex(element.subarray(header))}`;
    }),
  );
}

const generalNameOf = (name: GeneralName): string => {
  switch (name.kind) {
    case 'directory':
      return `directory ${JSON.stringify(nameOf(name.value))}`;
    case 'ip':
      return `ip ${addressText(name.value)}`;
    case 'other':
      return `other ${name.type} ${toHex(name.value)}`;
    case 'x400':
    case 'edi':
      return name.kind;
    default:
      return `${name.kind} ${name.value}`;
  }
};

function theirGeneralName(name: asn1.GeneralName): string {
  if (name.dNSName !== undefined) return `dns ${name.dNSName}`;
  if (name.rfc822Name !== undefined) return `email ${name.rfc822Name}`;
  if (name.uniformResourceIdentifier !== undefined) return `uri ${name.uniformResourceIdentifier}`;
  if (name.directoryName !== undefined) return `directory ${JSON.stringify(theirName(name.directoryName))}`;
  if (name.registeredID !== undefined) return `registered ${name.registeredID}`;
  if (name.otherName !== undefined) return `other ${name.otherName.typeId} ${hexOf(name.otherName.value)}`;
  return `ip ${name.iPAddress}`;
}

const pointOf = ({ name, reasons, crlIssuer }: DistributionPoint) => ({
  full: name?.kind === 'full' ? name.names.map(generalNameOf) : undefined,
  relative: name?.kind === 'relative' ? nameOf({ der: new Uint8Array(), rdns: [name.rdn] }) : undefined,
  reasons,
  crlIssuer: crlIssuer?.map(generalNameOf),
});
const theirPoint = ({ distributionPoint, reasons, cRLIssuer }: asn1.DistributionPoint) => ({
  full: distributionPoint?.fullName?.map(theirGeneralName),
  relative:
    distributionPoint?.nameRelativeToCRLIssuer &&
    theirName(new asn1.Name([distributionPoint.nameRelativeToCRLIssuer])),
  reasons: reasons && REVOCATION_REASONS.filter((_, bit) => (reasons.toNumber() & (1 << bit)) !== 0),
  crlIssuer: cRLIssuer?.map(theirGeneralName),
});
const numberOf = (octets: ArrayBuffer | undefined): number | undefined =>
  octets && Number(`0x${Buffer.from(octets).toString('hex')}`);
const subtreesOf = (subtrees: readonly { base: GeneralName; minimum: number }[] | undefined) =>
  subtrees?.map(({ base, minimum }) => [generalNameOf(base), minimum]);
const theirSubtrees = (subtrees: asn1.GeneralSubtrees | undefined) =>
  subtrees && [...subtrees].map(({ base, minimum }) => [theirGeneralName(base), minimum]);

/** For each extension that both decode, what it says to us and to them. */
const decoders: Record<string, readonly [(mine: Certificate) => unknown, (value: ArrayBuffer) => unknown]> = {
  [asn1.id_ce_authorityKeyIdentifier]: [
    ({ authorityKeyIdentifier: mine }) => [
      ours(mine?.keyIdentifier),
      mine?.issuer?.map(generalNameOf),
      ours(mine?.serialNumber),
    ],
    (value) => {
      const theirs = AsnConvert.parse(value, asn1.AuthorityKeyIdentifier);
      return [
        hexOf(theirs.keyIdentifier?.buffer),
        theirs.authorityCertIssuer?.map(theirGeneralName),
        hexOf(theirs.authorityCertSerialNumber),
      ];
    },
  ],
  [asn1.id_ce_subjectKeyIdentifier]: [
    (mine) => ours(mine.subjectKeyIdentifier),
    (value) => hexOf(AsnConvert.parse(value, asn1.SubjectKeyIdentifier).buffer),
  ],
  [asn1.id_ce_keyUsage]: [
    (mine) => [...(mine.keyUsage ?? [])],
    (value) => {
      const bits = AsnConvert.parse(value, asn1.KeyUsage).toNumber();
      return KEY_USAGES.filter((_, bit) => (bits & (1 << bit)) !== 0);
    },
  ],
  [asn1.id_ce_certificatePolicies]: [
    (mine) => mine.certificatePolicies?.map(({ oid, qualifiers }) => [oid, qualifiers !== undefined]),
    (value) =>
      [...AsnConvert.parse(value, asn1.CertificatePolicies)].map(({ policyIdentifier, policyQualifiers }) => [
        policyIdentifier,
        policyQualifiers !== undefined,
      ]),
  ],
  [asn1.id_ce_policyMappings]: [
    (mine) => mine.policyMappings?.map(({ issuerDomain, subjectDomain }) => [issuerDomain, subjectDomain]),
    (value) =>
      [...AsnConvert.parse(value, asn1.PolicyMappings)].map(({ issuerDomainPolicy, subjectDomainPolicy }) => [
        issuerDomainPolicy,
        subjectDomainPolicy,
      ]),
  ],
  [asn1.id_ce_subjectAltName]: [
    (mine) => mine.subjectAltName?.map(generalNameOf),
    (value) => [...AsnConvert.parse(value, asn1.SubjectAlternativeName)].map(theirGeneralName),
  ],
  [asn1.id_ce_issuerAltName]: [
    (mine) => mine.issuerAltName?.map(generalNameOf),
    (value) => [...AsnConvert.parse(value, asn1.IssueAlternativeName)].map(theirGeneralName),
  ],
  [asn1.id_ce_basicConstraints]: [
    ({ basicConstraints: mine }) => [mine?.ca, mine?.pathLen],
    (value) => {
      const theirs = AsnConvert.parse(value, asn1.BasicConstraints);
      return [theirs.cA, theirs.pathLenConstraint];
    },
  ],
  [asn1.id_ce_nameConstraints]: [
    ({ nameConstraints: mine }) => [subtreesOf(mine?.permitted), subtreesOf(mine?.excluded)],
    (value) => {
      const theirs = AsnConvert.parse(value, asn1.NameConstraints);
      return [theirSubtrees(theirs.permittedSubtrees), theirSubtrees(theirs.excludedSubtrees)];
    },
  ],
  [asn1.id_ce_policyConstraints]: [
    ({ policyConstraints: mine }) => [mine?.requireExplicitPolicy, mine?.inhibitPolicyMapping],
    (value) => {
      const theirs = AsnConvert.parse(value, asn1.PolicyConstraints);
      return [numberOf(theirs.requireExplicitPolicy), numberOf(theirs.inhibitPolicyMapping)];
    },
  ],
  [asn1.id_ce_extKeyUsage]: [
    (mine) => mine.extendedKeyUsage,
    (value) => [...AsnConvert.parse(value, asn1.ExtendedKeyUsage)],
  ],
  [asn1.id_ce_cRLDistributionPoints]: [
    (mine) => mine.cRLDistributionPoints?.map(pointOf),
    (value) => [...AsnConvert.parse(value, asn1.CRLDistributionPoints)].map(theirPoint),
  ],
  [asn1.id_ce_freshestCRL]: [
    (mine) => mine.freshestCRL?.map(pointOf),
    (value) => [...AsnConvert.parse(value, asn1.FreshestCRL)].map(theirPoint),
  ],
  [asn1.id_ce_inhibitAnyPolicy]: [
    (mine) => mine.inhibitAnyPolicy,
    (value) => numberOf(AsnConvert.parse(value, asn1.InhibitAnyPolicy).value),
  ],
  [asn1.id_pe_authorityInfoAccess]: [
    (mine) => mine.authorityInfoAccess?.map(({ method, location }) => [method, generalNameOf(location)]),
    (value) =>
      [...AsnConvert.parse(value, asn1.AuthorityInfoAccessSyntax)].map(({ accessMethod, accessLocation }) => [
        accessMethod,
        theirGeneralName(accessLocation),
      ]),
  ],
};

/** All fields against @peculiar/asn1-x509; the number of extensions that both decoded. */
function agreesWithPeculiar(der: Uint8Array): number {
  const parsed = parseCertificate(der);
  expect(parsed).toMatchObject({ ok: true });
  if (!parsed.ok) return 0;
  expect(asOurs(parsed.value)).toEqual(asTheirs(der));
  let decoded = 0;
  for (const { oid, value } of parsed.value.extensions) {
    const pair = decoders[oid];
    if (pair === undefined) continue;
    expect(pair[0](parsed.value), oid).toEqual(pair[1](Uint8Array.from(value).buffer));
    decoded += 1;
  }
  return decoded;
}

/** What node:crypto shows of a certificate. */
function agreesWithOpenssl(der: Uint8Array): void {
  const parsed = parseCertificate(der);
  expect(parsed).toMatchObject({ ok: true });
  if (!parsed.ok) return;
  const mine = parsed.value;
  const theirs = new X509Certificate(der);
  expect(mine.fingerprint).toBe(theirs.fingerprint256.replaceAll(':', '').toLowerCase());
  expect(BigInt.asIntN(8 * mine.serialNumber.length, BigInt(`0x${toHex(mine.serialNumber)}`))).toBe(
    signedHex(theirs.serialNumber),
  );
  expect(mine.validity.notBeforeMs).toBe(theirs.validFromDate.getTime());
  expect(mine.validity.notAfterMs).toBe(theirs.validToDate.getTime());
  expect((mine.basicConstraints?.ca ?? false) && (mine.keyUsage?.has('keyCertSign') ?? true)).toBe(theirs.ca);
  expect(mine.extendedKeyUsage).toEqual(theirs.keyUsage);
}

const signedHex = (text: string): bigint =>
  text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);

const pkits = vectorFiles('pkits/certs');
/** Signatures that are no whole octets: what test 4.1.2 and 4.1.6 make invalid, and what neither oracle looks at. */
const NOT_OCTETS = ['BadSignedCACert.crt', 'InvalidDSASignatureTest6EE.crt'];

describe.skipIf(pkits === undefined)('NIST PKITS', () => {
  const files = (pkits ?? []).filter(([name]) => !NOT_OCTETS.includes(name));
  it('has its certificates', () => {
    expect(files.length).toBeGreaterThan(400);
  });
  it.each(files)('%s', (_name, der) => {
    agreesWithPeculiar(der);
    agreesWithOpenssl(der);
  });
  it('has every extension but three', () => {
    const seen = new Set(
      files.flatMap(([, der]) =>
        (parseCertificate(der) as { value: Certificate }).value.extensions.map(({ oid }) => oid),
      ),
    );
    const unseen = Object.keys(decoders).filter((oid) => !seen.has(oid));
    expect(unseen.length).toBeLessThanOrEqual(3);
  });
});

describe('certificates at random', () => {
  it('say the same to @peculiar/asn1-x509', () => {
    let decoded = 0;
    fc.assert(
      fc.property(generatedCertificate, (der) => {
        decoded += agreesWithPeculiar(der);
      }),
      { numRuns: 150 },
    );
    expect(decoded).toBeGreaterThan(200);
  });
  it('say the same to OpenSSL', () => {
    fc.assert(fc.property(generatedCertificate, agreesWithOpenssl), { numRuns: 150 });
  });
});
