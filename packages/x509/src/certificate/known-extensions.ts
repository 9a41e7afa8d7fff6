/** The extensions that this package understands (RFC 5280 section 4.2), each decoded whole: nothing of one is skipped. */
import type { DerReader } from '../der/reader.ts';
import {
  BOOLEAN,
  INTEGER,
  OCTET_STRING,
  OID,
  SEQUENCE,
  contextConstructed,
  contextPrimitive,
} from '../der/tags.ts';
import { EXTENSION } from './extension-oids.ts';
import { decodeDistributionPoints, decodeGeneralName, decodeGeneralNames } from './general-name.ts';
import { decodeCertificatePolicies, decodePolicyConstraints, decodePolicyMappings } from './policies.ts';
import {
  KEY_USAGES,
  type AccessDescription,
  type AuthorityKeyIdentifier,
  type GeneralSubtree,
  type KeyUsage,
  type KnownExtensions,
  type NameConstraints,
  type Oid,
} from './types.ts';

export type MutableExtensions = { -readonly [Key in keyof KnownExtensions]: KnownExtensions[Key] };

export function noExtensions(): MutableExtensions {
  return {
    authorityKeyIdentifier: undefined,
    subjectKeyIdentifier: undefined,
    keyUsage: undefined,
    certificatePolicies: undefined,
    policyMappings: undefined,
    subjectAltName: undefined,
    issuerAltName: undefined,
    basicConstraints: undefined,
    nameConstraints: undefined,
    policyConstraints: undefined,
    extendedKeyUsage: undefined,
    cRLDistributionPoints: undefined,
    inhibitAnyPolicy: undefined,
    freshestCRL: undefined,
    authorityInfoAccess: undefined,
    subjectInfoAccess: undefined,
  };
}

type Field = keyof KnownExtensions;

const DECODERS: { readonly [F in Field]: (reader: DerReader) => KnownExtensions[F] } = {
  authorityKeyIdentifier: decodeAuthorityKeyIdentifier,
  subjectKeyIdentifier: (reader) => reader.octets(OCTET_STRING), // RFC 5280 section 4.2.1.2
  keyUsage: decodeKeyUsage,
  certificatePolicies: decodeCertificatePolicies,
  policyMappings: decodePolicyMappings,
  subjectAltName: (reader) => decodeGeneralNames(reader), // RFC 5280 section 4.2.1.6
  issuerAltName: (reader) => decodeGeneralNames(reader), // RFC 5280 section 4.2.1.7
  basicConstraints: decodeBasicConstraints,
  nameConstraints: decodeNameConstraints,
  policyConstraints: decodePolicyConstraints,
  extendedKeyUsage: decodeExtendedKeyUsage,
  cRLDistributionPoints: decodeDistributionPoints, // RFC 5280 section 4.2.1.13
  inhibitAnyPolicy: (reader) => reader.unsigned(INTEGER), // RFC 5280 section 4.2.1.14
  freshestCRL: decodeDistributionPoints, // RFC 5280 section 4.2.1.15
  authorityInfoAccess: decodeAccessDescriptions, // RFC 5280 section 4.2.2.1
  subjectInfoAccess: decodeAccessDescriptions, // RFC 5280 section 4.2.2.2
};

const FIELDS: ReadonlyMap<Oid, Field> = new Map(
  (Object.keys(EXTENSION) as Field[]).map((field) => [EXTENSION[field], field]),
);

/** Decodes the value at the reader into its field; false when the extension is none of these. */
export function decodeKnownExtension(oid: Oid, reader: DerReader, into: MutableExtensions): boolean {
  const field = FIELDS.get(oid);
  if (field === undefined) return false;
  decodeField(field, reader, into);
  return true;
}

function decodeField<F extends Field>(field: F, reader: DerReader, into: MutableExtensions): void {
  into[field] = DECODERS[field](reader);
}

/** RFC 5280 section 4.2.1.1; also an extension of CRLs. */
export function decodeAuthorityKeyIdentifier(reader: DerReader): AuthorityKeyIdentifier {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const keyIdentifier = reader.isNext(contextPrimitive(0)) ? reader.octets(contextPrimitive(0)) : undefined;
  const issuer = reader.isNext(contextConstructed(1))
    ? decodeGeneralNames(reader, contextConstructed(1))
    : undefined;
  const serialNumber = reader.isNext(contextPrimitive(2)) ? reader.integer(contextPrimitive(2)) : undefined;
  reader.close(outer);
  // Appendix A.2: authorityCertIssuer and authorityCertSerialNumber MUST both be present or both be absent
  if ((issuer === undefined) !== (serialNumber === undefined))
    reader.fail('an authority key identifier with only one of issuer and serial number', start);
  return { keyIdentifier, issuer, serialNumber };
}

/** RFC 5280 section 4.2.1.3. Bits that it does not name are left out: they allow nothing. */
function decodeKeyUsage(reader: DerReader): ReadonlySet<KeyUsage> {
  const start = reader.offset;
  const bits = reader.namedBits();
  // RFC 5280 section 4.2.1.3: at least one of the bits MUST be set to 1
  if (bits === 0) reader.fail('a key usage without a usage', start);
  const usages = new Set<KeyUsage>();
  for (let bit = 0; bit < KEY_USAGES.length; bit += 1) {
    const usage = KEY_USAGES[bit];
    if (usage !== undefined && (bits & (1 << bit)) !== 0) usages.add(usage);
  }
  return usages;
}

/** RFC 5280 section 4.2.1.9. An explicit `cA FALSE` is read (ADR 0090). */
function decodeBasicConstraints(reader: DerReader): { ca: boolean; pathLen: number | undefined } {
  const outer = reader.open(SEQUENCE);
  const ca = reader.isNext(BOOLEAN) ? reader.boolean() : false;
  const pathLen = reader.hasMore ? reader.unsigned() : undefined;
  reader.close(outer);
  return { ca, pathLen };
}

/** RFC 5280 section 4.2.1.10. */
function decodeNameConstraints(reader: DerReader): NameConstraints {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const permitted = reader.isNext(contextConstructed(0)) ? decodeSubtrees(reader, 0) : undefined;
  const excluded = reader.isNext(contextConstructed(1)) ? decodeSubtrees(reader, 1) : undefined;
  reader.close(outer);
  // RFC 5280 section 4.2.1.10: either permittedSubtrees or excludedSubtrees MUST be present
  if (permitted === undefined && excluded === undefined)
    reader.fail('name constraints without a subtree', start);
  return { permitted, excluded };
}

/** GeneralSubtrees: SEQUENCE SIZE (1..MAX) OF GeneralSubtree. */
function decodeSubtrees(reader: DerReader, number: number): GeneralSubtree[] {
  const outer = reader.open(contextConstructed(number));
  if (!reader.hasMore) reader.fail('GeneralSubtrees without a subtree');
  const subtrees: GeneralSubtree[] = [];
  while (reader.hasMore) {
    const inner = reader.open(SEQUENCE);
    const base = decodeGeneralName(reader, 'address and mask');
    const minimum = reader.isNext(contextPrimitive(0)) ? reader.unsigned(contextPrimitive(0)) : 0;
    const maximum = reader.isNext(contextPrimitive(1)) ? reader.unsigned(contextPrimitive(1)) : undefined;
    reader.close(inner);
    subtrees.push({ base, minimum, maximum });
  }
  reader.close(outer);
  return subtrees;
}

/** RFC 5280 section 4.2.1.12: SEQUENCE SIZE (1..MAX) OF KeyPurposeId. */
function decodeExtendedKeyUsage(reader: DerReader): Oid[] {
  const outer = reader.open(SEQUENCE);
  const purposes = [reader.oid(OID)];
  while (reader.hasMore) purposes.push(reader.oid(OID));
  reader.close(outer);
  return purposes;
}

/** SEQUENCE SIZE (1..MAX) OF AccessDescription. */
function decodeAccessDescriptions(reader: DerReader): AccessDescription[] {
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('information access without a description');
  const descriptions: AccessDescription[] = [];
  while (reader.hasMore) {
    const inner = reader.open(SEQUENCE);
    descriptions.push({ method: reader.oid(), location: decodeGeneralName(reader) });
    reader.close(inner);
  }
  reader.close(outer);
  return descriptions;
}
