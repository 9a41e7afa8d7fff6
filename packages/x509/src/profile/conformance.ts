/**
 * What RFC 5280 section 4 says that a certificate MUST be and section 6 does not look at. Each rule says for which places
 * in a path it holds; where the RFC asks those who use certificates to bear with faults, or NIST's suite does, it holds
 * for fewer (test/suites/README.md).
 */
import { EXTENSION } from '../certificate/extension-oids.ts';
import type { Certificate } from '../certificate/types.ts';
import { fullHostName } from '../names/dns.ts';
import type { Failure } from '../reasons.ts';
import { broken, extensionOf, isCa, isCritical, isSelfIssued } from './facts.ts';
import type { Rule } from './types.ts';

/** Section 4.1.2.2. A negative number is borne with in a leaf, as the section asks; one of an anchor names nothing in a path. */
export const serialNumber: Rule = (certificate, position, { leafIsAnchor }) => {
  if (position === 'anchor') return undefined;
  const { serialNumber: octets } = certificate;
  const section = 'RFC 5280 section 4.1.2.2';
  if (octets.length > 20) return broken(section, `a serial number of ${octets.length} octets`);
  if (octets.every((octet) => octet === 0)) return broken(section, 'a serial number of zero');
  const isNegative = (octets[0] ?? 0) >= 0x80;
  return isNegative && (position === 'intermediate' || leafIsAnchor)
    ? broken(section, 'a negative serial number')
    : undefined;
};

/** Sections 4.1.2.4 and 4.1.2.6: who issues has a name; who has none is known by a critical subjectAltName. */
export const subjectAndIssuer: Rule = (certificate, position) => {
  const { subject, issuer, subjectAltName } = certificate;
  if (issuer.rdns.length === 0) return broken('RFC 5280 section 4.1.2.4', 'an empty issuer');
  if (subject.rdns.length > 0) return undefined;
  const section = 'RFC 5280 section 4.1.2.6';
  if (position !== 'leaf' || isCa(certificate)) return broken(section, 'a CA with an empty subject');
  if (subjectAltName === undefined) return broken(section, 'neither a subject nor a subjectAltName');
  return isCritical(certificate, EXTENSION.subjectAltName)
    ? undefined
    : broken('RFC 5280 section 4.2.1.6', 'an empty subject and a subjectAltName that is not critical');
};

/** Extensions that MUST NOT be critical. */
const NEVER_CRITICAL: readonly (readonly [oid: string, section: string, name: string])[] = [
  [EXTENSION.authorityKeyIdentifier, 'RFC 5280 section 4.2.1.1', 'authorityKeyIdentifier'],
  [EXTENSION.subjectKeyIdentifier, 'RFC 5280 section 4.2.1.2', 'subjectKeyIdentifier'],
  [EXTENSION.freshestCRL, 'RFC 5280 section 4.2.1.15', 'freshestCRL'],
  [EXTENSION.authorityInfoAccess, 'RFC 5280 section 4.2.2.1', 'authorityInfoAccess'],
  [EXTENSION.subjectInfoAccess, 'RFC 5280 section 4.2.2.2', 'subjectInfoAccess'],
];

export const neverCritical: Rule = (certificate) => {
  for (const [oid, section, name] of NEVER_CRITICAL)
    if (isCritical(certificate, oid)) return broken(section, `${name} is critical`);
  return undefined;
};

/**
 * Extensions that MUST be critical. RFC 3280 left it open for policyConstraints, and NIST's suite is of that time: beside
 * policies, which such a CA has, one that is not critical is borne with (it is processed in any case).
 */
export const policyConstraintsCritical: Rule = (certificate) =>
  mustBeCritical(certificate, EXTENSION.inhibitAnyPolicy, 'RFC 5280 section 4.2.1.14', 'inhibitAnyPolicy') ??
  (certificate.certificatePolicies === undefined
    ? mustBeCritical(
        certificate,
        EXTENSION.policyConstraints,
        'RFC 5280 section 4.2.1.11',
        'policyConstraints',
      )
    : undefined);

export const nameConstraintsCritical: Rule = (certificate) =>
  mustBeCritical(certificate, EXTENSION.nameConstraints, 'RFC 5280 section 4.2.1.10', 'nameConstraints');

/** Section 4.2.1.9. Of anchors alone: NIST's test 4.6.4 has an intermediate whose extension is not critical, and is valid. */
export const basicConstraintsCritical: Rule = (certificate, position) =>
  position === 'anchor'
    ? mustBeCritical(certificate, EXTENSION.basicConstraints, 'RFC 5280 section 4.2.1.9', 'basicConstraints')
    : undefined;

function mustBeCritical(
  certificate: Certificate,
  oid: string,
  section: string,
  name: string,
): Failure | undefined {
  const extension = extensionOf(certificate, oid);
  return extension === undefined || extension.critical
    ? undefined
    : broken(section, `${name} is not critical`);
}

/** Section 4.2.1.1: the key identifier may be left out of self-signed certificates alone. */
export const authorityKeyIdentifier: Rule = (certificate, position, { leafIsAnchor }) => {
  if (certificate.authorityKeyIdentifier?.keyIdentifier !== undefined) return undefined;
  const mayBeSelfSigned = position === 'anchor' || leafIsAnchor;
  if (mayBeSelfSigned && isSelfIssued(certificate)) return undefined;
  return broken('RFC 5280 section 4.2.1.1', 'no key identifier of the issuer');
};

/** Section 4.2.1.2: every CA has one. */
export const subjectKeyIdentifier: Rule = (certificate) =>
  isCa(certificate) && certificate.subjectKeyIdentifier === undefined
    ? broken('RFC 5280 section 4.2.1.2', 'a CA without subjectKeyIdentifier')
    : undefined;

/** Sections 4.2.1.3 and 4.2.1.9: what keyUsage and basicConstraints say must fit together. */
export const caFields: Rule = (certificate) => {
  const { keyUsage, basicConstraints } = certificate;
  if (keyUsage?.has('keyCertSign') === true && !isCa(certificate))
    return broken('RFC 5280 section 4.2.1.3', 'keyCertSign in a certificate that is no CA');
  if (basicConstraints?.pathLen === undefined) return undefined;
  const section = 'RFC 5280 section 4.2.1.9';
  if (!basicConstraints.ca) return broken(section, 'pathLenConstraint in a certificate that is no CA');
  return keyUsage?.has('keyCertSign') === false
    ? broken(section, 'pathLenConstraint without keyCertSign')
    : undefined;
};

/** Section 4.2.1.10: used in CA certificates only. */
export const nameConstraintsOfCas: Rule = (certificate) =>
  certificate.nameConstraints !== undefined && !isCa(certificate)
    ? broken('RFC 5280 section 4.2.1.10', 'name constraints in a certificate that is no CA')
    : undefined;

/** Section 4.2.1.6: preferred name syntax (RFC 1034 section 3.5, RFC 1123 section 2.1). A wildcard may come first (RFC 9525). */
export const dnsNameSyntax: Rule = ({ subjectAltName = [] }, position) => {
  if (position === 'anchor') return undefined; // names nothing in the path
  for (const name of subjectAltName) {
    if (name.kind !== 'dns') continue;
    const host = name.value.startsWith('*.') ? name.value.slice(2) : name.value;
    if (fullHostName(host) === undefined || host.includes('_'))
      return broken('RFC 5280 section 4.2.1.6', `"${name.value}" is no host name`);
  }
  return undefined;
};

/** Keys that sign and never encrypt: algorithm, section. */
const SIGNATURE_ONLY: ReadonlyMap<string, string> = new Map([
  ['1.3.101.112', 'RFC 9295 section 3'],
  ['1.3.101.113', 'RFC 9295 section 3'],
  ['2.16.840.1.101.3.4.3.17', 'RFC 9881 section 5'],
  ['2.16.840.1.101.3.4.3.18', 'RFC 9881 section 5'],
  ['2.16.840.1.101.3.4.3.19', 'RFC 9881 section 5'],
]);
const ENCRYPTING = [
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'encipherOnly',
  'decipherOnly',
] as const;

export const usageFitsKey: Rule = ({ keyUsage, subjectPublicKeyInfo }) => {
  if (keyUsage === undefined) return undefined;
  const section = SIGNATURE_ONLY.get(subjectPublicKeyInfo.algorithm.oid);
  if (section === undefined) return undefined;
  const unfit = ENCRYPTING.find((usage) => keyUsage.has(usage));
  return unfit === undefined ? undefined : broken(section, `${unfit} of a key that only signs`);
};
