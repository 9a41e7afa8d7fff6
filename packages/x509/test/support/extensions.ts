/** The extensions of RFC 5280 as DER. What is not given is absent; anything else is written with `extension`. */
import {
  KEY_USAGES,
  REVOCATION_REASONS,
  type KeyUsage,
  type ReasonFlag,
} from '../../src/certificate/types.ts';
import {
  boolean,
  contextConstructed,
  contextPrimitive,
  namedBits,
  writeElement,
  writeExplicit,
  writeInteger,
  writeOctetString,
  writeOid,
  writeSequence,
} from './der.ts';

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  cRLNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  invalidityDate: '2.5.29.24',
  deltaCRLIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
  certificateIssuer: '2.5.29.29',
  nameConstraints: '2.5.29.30',
  cRLDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  anyPolicy: '2.5.29.32.0',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  anyExtendedKeyUsage: '2.5.29.37.0',
  freshestCRL: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  OCSPSigning: '1.3.6.1.5.5.7.3.9',
  ocsp: '1.3.6.1.5.5.7.48.1',
  caIssuers: '1.3.6.1.5.5.7.48.2',
} as const;

/** The whole Extension; `value` is the inside of extnValue. */
export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return writeSequence(writeOid(oid), ...(critical ? [boolean(true)] : []), writeOctetString(value));
}

const optional = (element: Uint8Array | undefined): Uint8Array[] => (element === undefined ? [] : [element]);

export function basicConstraints(ca: boolean, pathLen?: number, critical = true): Uint8Array {
  const length = pathLen === undefined ? [] : [writeInteger(pathLen)];
  return extension(OID.basicConstraints, writeSequence(...(ca ? [boolean(true)] : []), ...length), critical);
}

export function keyUsage(...usages: readonly KeyUsage[]): Uint8Array {
  return extension(OID.keyUsage, namedBits(usages.map((usage) => KEY_USAGES.indexOf(usage))), true);
}

export function extendedKeyUsage(oids: readonly string[], critical = false): Uint8Array {
  return extension(OID.extendedKeyUsage, writeSequence(...oids.map((oid) => writeOid(oid))), critical);
}

export function subjectAltName(names: readonly Uint8Array[], critical = false): Uint8Array {
  return extension(OID.subjectAltName, writeSequence(...names), critical);
}

export function subjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return extension(OID.subjectKeyIdentifier, writeOctetString(identifier));
}

export function authorityKeyIdentifier(value: {
  keyIdentifier?: Uint8Array;
  /** GeneralNames. */
  issuer?: readonly Uint8Array[];
  serialNumber?: number | bigint | Uint8Array;
}): Uint8Array {
  const { keyIdentifier, issuer, serialNumber } = value;
  return extension(
    OID.authorityKeyIdentifier,
    writeSequence(
      ...optional(keyIdentifier && writeElement(contextPrimitive(0), keyIdentifier)),
      ...optional(issuer && writeExplicit(1, ...issuer)),
      ...optional(serialNumber === undefined ? undefined : writeInteger(serialNumber, contextPrimitive(2))),
    ),
  );
}

/** A policy is an OID or a whole PolicyInformation. */
export function certificatePolicies(
  policies: readonly (string | Uint8Array)[],
  critical = false,
): Uint8Array {
  const rows = policies.map((policy) =>
    typeof policy === 'string' ? writeSequence(writeOid(policy)) : policy,
  );
  return extension(OID.certificatePolicies, writeSequence(...rows), critical);
}

export function policyMappings(
  rows: readonly (readonly [issuer: string, subject: string])[],
  critical = true,
): Uint8Array {
  const mappings = rows.map(([issuer, subject]) => writeSequence(writeOid(issuer), writeOid(subject)));
  return extension(OID.policyMappings, writeSequence(...mappings), critical);
}

export function policyConstraints(value: {
  requireExplicitPolicy?: number;
  inhibitPolicyMapping?: number;
}): Uint8Array {
  const { requireExplicitPolicy, inhibitPolicyMapping } = value;
  const skip = (number: number, count: number | undefined): Uint8Array[] =>
    count === undefined ? [] : [writeInteger(count, contextPrimitive(number))];
  return extension(
    OID.policyConstraints,
    writeSequence(...skip(0, requireExplicitPolicy), ...skip(1, inhibitPolicyMapping)),
    true,
  );
}

export const inhibitAnyPolicy = (skipCertificates: number): Uint8Array =>
  extension(OID.inhibitAnyPolicy, writeInteger(skipCertificates), true);

/** Bases are GeneralNames, or whole GeneralSubtrees where they are SEQUENCEs. */
export function nameConstraints(
  value: { permitted?: readonly Uint8Array[]; excluded?: readonly Uint8Array[] },
  critical = true,
): Uint8Array {
  const subtrees = (number: number, bases: readonly Uint8Array[] | undefined): Uint8Array[] =>
    bases === undefined
      ? []
      : [writeExplicit(number, ...bases.map((base) => (base[0] === 0x30 ? base : writeSequence(base))))];
  return extension(
    OID.nameConstraints,
    writeSequence(...subtrees(0, value.permitted), ...subtrees(1, value.excluded)),
    critical,
  );
}

const reasonBits = (reasons: readonly ReasonFlag[], number: number): Uint8Array =>
  namedBits(
    reasons.map((reason) => REVOCATION_REASONS.indexOf(reason)),
    contextPrimitive(number),
  );

/** `fullName` is a list of GeneralNames, `relative` one RDN's attributes. */
export interface DistributionPointInput {
  readonly fullName?: readonly Uint8Array[];
  readonly relative?: readonly Uint8Array[];
  readonly reasons?: readonly ReasonFlag[];
  readonly crlIssuer?: readonly Uint8Array[];
}

function distributionPointName(value: DistributionPointInput): Uint8Array[] {
  if (value.fullName !== undefined) return [writeExplicit(0, writeExplicit(0, ...value.fullName))];
  return value.relative === undefined
    ? []
    : [writeExplicit(0, writeElement(contextConstructed(1), ...value.relative))];
}

export function distributionPoint(value: DistributionPointInput): Uint8Array {
  return writeSequence(
    ...distributionPointName(value),
    ...optional(value.reasons && reasonBits(value.reasons, 1)),
    ...optional(value.crlIssuer && writeExplicit(2, ...value.crlIssuer)),
  );
}

export const cRLDistributionPoints = (
  points: readonly DistributionPointInput[],
  critical = false,
): Uint8Array =>
  extension(OID.cRLDistributionPoints, writeSequence(...points.map(distributionPoint)), critical);

export const freshestCRL = (points: readonly DistributionPointInput[]): Uint8Array =>
  extension(OID.freshestCRL, writeSequence(...points.map(distributionPoint)));

export function issuingDistributionPoint(
  value: DistributionPointInput & {
    onlyContainsUserCerts?: boolean;
    onlyContainsCACerts?: boolean;
    onlySomeReasons?: readonly ReasonFlag[];
    indirectCRL?: boolean;
    onlyContainsAttributeCerts?: boolean;
  },
  critical = true,
): Uint8Array {
  const flag = (number: number, isSet: boolean | undefined): Uint8Array[] =>
    isSet === true ? [writeElement(contextPrimitive(number), Uint8Array.of(0xff))] : [];
  return extension(
    OID.issuingDistributionPoint,
    writeSequence(
      ...distributionPointName(value),
      ...flag(1, value.onlyContainsUserCerts),
      ...flag(2, value.onlyContainsCACerts),
      ...optional(value.onlySomeReasons && reasonBits(value.onlySomeReasons, 3)),
      ...flag(4, value.indirectCRL),
      ...flag(5, value.onlyContainsAttributeCerts),
    ),
    critical,
  );
}

export function authorityInfoAccess(
  rows: readonly (readonly [method: string, location: Uint8Array])[],
): Uint8Array {
  const descriptions = rows.map(([method, location]) => writeSequence(writeOid(method), location));
  return extension(OID.authorityInfoAccess, writeSequence(...descriptions));
}
