/** Certificate (RFC 5280 section 4.1) from strict DER. */
import { hash } from 'node:crypto';
import { readDer, type DerReader } from '../der/reader.ts';
import { GENERALIZED_TIME, SEQUENCE, contextConstructed, contextPrimitive } from '../der/tags.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { Parsed } from '../parsed.ts';
import { decodeExtensions } from './extensions.ts';
import { decodeKnownExtension, noExtensions, type MutableExtensions } from './known-extensions.ts';
import { decodeAlgorithmIdentifier, decodeName } from './name.ts';
import type { Certificate, Extension, SubjectPublicKeyInfo, Validity } from './types.ts';

/** The certificate that `der` is, or the octet from which on it is none. `der` is copied. Does not throw. */
export function parseCertificate(
  der: Uint8Array,
  limits: Pick<Limits, 'certificateBytes'> = DEFAULT_LIMITS,
): Parsed<Certificate> {
  return readDer(der, limits.certificateBytes, decodeCertificate);
}

/** RFC 5280 section 4.1.1. The reader stands at the certificate, which may be one of many. */
export function decodeCertificate(reader: DerReader): Certificate {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const tbsStart = reader.offset;
  const signedPart = reader.open(SEQUENCE);
  const version = decodeVersion(reader);
  const serialNumber = reader.integer(); // 4.1.2.2; its sign and size are for profiles to judge (ADR 0090)
  const signature = decodeAlgorithmIdentifier(reader);
  const issuer = decodeName(reader);
  const validity = decodeValidity(reader);
  const subject = decodeName(reader);
  const subjectPublicKeyInfo = decodeSubjectPublicKeyInfo(reader);
  const hasUniqueId = decodeUniqueIds(reader, version);
  const known = noExtensions();
  const extensions = decodeCertificateExtensions(reader, version, known);
  reader.close(signedPart);
  const tbs = reader.bytes.subarray(tbsStart, reader.offset);
  const signatureAlgorithm = decodeAlgorithmIdentifier(reader);
  const signatureValue = reader.bitString();
  reader.close(outer);
  const der = reader.bytes.subarray(start, reader.offset);
  // One literal, not spreads: this is a fifth of the time of a parse otherwise.
  return {
    der,
    fingerprint: hash('sha256', der, 'hex'),
    tbs,
    version,
    serialNumber,
    signature,
    issuer,
    validity,
    subject,
    subjectPublicKeyInfo,
    hasUniqueId,
    extensions,
    signatureAlgorithm,
    signatureValue,
    authorityKeyIdentifier: known.authorityKeyIdentifier,
    subjectKeyIdentifier: known.subjectKeyIdentifier,
    keyUsage: known.keyUsage,
    certificatePolicies: known.certificatePolicies,
    policyMappings: known.policyMappings,
    subjectAltName: known.subjectAltName,
    issuerAltName: known.issuerAltName,
    basicConstraints: known.basicConstraints,
    nameConstraints: known.nameConstraints,
    policyConstraints: known.policyConstraints,
    extendedKeyUsage: known.extendedKeyUsage,
    cRLDistributionPoints: known.cRLDistributionPoints,
    inhibitAnyPolicy: known.inhibitAnyPolicy,
    freshestCRL: known.freshestCRL,
    authorityInfoAccess: known.authorityInfoAccess,
    subjectInfoAccess: known.subjectInfoAccess,
  };
}

/** RFC 5280 section 4.1.2.1. DER leaves the DEFAULT v1 out. */
function decodeVersion(reader: DerReader): 1 | 2 | 3 {
  if (!reader.isNext(contextConstructed(0))) return 1;
  const outer = reader.open(contextConstructed(0));
  const start = reader.offset;
  const version = reader.unsigned();
  if (version !== 1 && version !== 2) reader.fail('a version other than v2 and v3', start);
  reader.close(outer);
  return version === 1 ? 2 : 3;
}

/** RFC 5280 section 4.1.2.5. */
function decodeValidity(reader: DerReader): Validity {
  const outer = reader.open(SEQUENCE);
  const isNotBeforeGeneralized = reader.isNext(GENERALIZED_TIME);
  const notBeforeMs = reader.time();
  const isNotAfterGeneralized = reader.isNext(GENERALIZED_TIME);
  const notAfterMs = reader.time();
  reader.close(outer);
  const hasEarlyGeneralizedTime =
    (isNotBeforeGeneralized && notBeforeMs < YEAR_2050_MS) ||
    (isNotAfterGeneralized && notAfterMs < YEAR_2050_MS);
  return { notBeforeMs, notAfterMs, hasEarlyGeneralizedTime };
}

/** Where GeneralizedTime begins (RFC 5280 section 4.1.2.5). */
const YEAR_2050_MS = Date.UTC(2050, 0);

/** RFC 5280 section 4.1.2.7. Parameters and key are for whoever knows the algorithm. */
export function decodeSubjectPublicKeyInfo(reader: DerReader): SubjectPublicKeyInfo {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const algorithm = decodeAlgorithmIdentifier(reader);
  const bits = reader.bitString();
  reader.close(outer);
  return { der: reader.bytes.subarray(start, reader.offset), algorithm, bits };
}

/** RFC 5280 section 4.1.2.8: only in v2 and v3. */
function decodeUniqueIds(reader: DerReader, version: 1 | 2 | 3): boolean {
  const start = reader.offset;
  for (let number = 1; number <= 2; number += 1)
    if (reader.isNext(contextPrimitive(number))) reader.skipBitString(contextPrimitive(number));
  const hasUniqueId = reader.offset !== start;
  if (hasUniqueId && version === 1) reader.fail('a unique identifier in v1', start);
  return hasUniqueId;
}

/** RFC 5280 section 4.1.2.9: only in v3. */
function decodeCertificateExtensions(
  reader: DerReader,
  version: 1 | 2 | 3,
  known: MutableExtensions,
): readonly Extension[] {
  if (!reader.isNext(contextConstructed(3))) return [];
  if (version !== 3) reader.fail(`extensions in v${version}`);
  const outer = reader.open(contextConstructed(3));
  const extensions = decodeExtensions(reader, (oid) => decodeKnownExtension(oid, reader, known));
  reader.close(outer);
  return extensions;
}
