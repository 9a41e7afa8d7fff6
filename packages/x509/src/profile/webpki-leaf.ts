/** Rules of the Baseline Requirements for subscribers' certificates. */
import { EXTENSION } from '../certificate/extension-oids.ts';
import type { GeneralName } from '../certificate/types.ts';
import { broken, isCa, isCritical, USAGE } from './facts.ts';
import type { Rule } from './types.ts';

export const leafIsNoCa: Rule = (certificate, position) => {
  if (position !== 'leaf') return undefined;
  if (isCa(certificate)) return broken('BR section 7.1.2.7.8', 'a leaf that is a CA');
  const { keyUsage } = certificate;
  return keyUsage?.has('keyCertSign') === true || keyUsage?.has('cRLSign') === true
    ? broken('BR section 7.1.2.7.11', 'a leaf that may sign certificates or CRLs')
    : undefined;
};

const FORBIDDEN_USAGES = [
  USAGE.codeSigning,
  USAGE.emailProtection,
  USAGE.timeStamping,
  USAGE.ocspSigning,
  USAGE.any,
  USAGE.precertificateSigning,
] as const;

export const leafExtendedKeyUsage: Rule = (certificate, position, { purpose }) => {
  if (position !== 'leaf') return undefined;
  const { extendedKeyUsage } = certificate;
  if (extendedKeyUsage === undefined)
    return broken('BR section 7.1.2.7.6', 'a leaf without extended key usage');
  if (isCritical(certificate, EXTENSION.extendedKeyUsage))
    return broken('BR section 7.1.2.7.6', 'a critical extended key usage');
  const forbidden = FORBIDDEN_USAGES.find((usage) => extendedKeyUsage.includes(usage));
  if (forbidden !== undefined) return broken('BR section 7.1.2.7.10', `the usage ${forbidden}`);
  return purpose === 'client' || extendedKeyUsage.includes(USAGE.serverAuth)
    ? undefined
    : broken('BR section 7.1.2.7.10', 'a leaf that is not for servers');
};

/** BR section 7.1.2.7.12. A client's certificate may have other names (the requirements are about servers). */
export const leafSubjectAltName: Rule = (certificate, position, { purpose }) => {
  if (position !== 'leaf') return undefined;
  const section = 'BR section 7.1.2.7.12';
  const { subject, subjectAltName } = certificate;
  if (subjectAltName === undefined) return broken(section, 'a leaf without subjectAltName');
  if (subject.rdns.length > 0 && isCritical(certificate, EXTENSION.subjectAltName))
    return broken(section, 'a critical subjectAltName besides a subject');
  const other =
    purpose === 'client' ? undefined : subjectAltName.find(({ kind }) => kind !== 'dns' && kind !== 'ip');
  return other === undefined ? undefined : broken(section, `a name of the form ${other.kind}`);
};

/** Whether a domain, in lower case and A-labels, is controlled by a registry: `com`, `co.uk`. */
export type IsPublicSuffix = (domain: string) => boolean;

/**
 * BR section 3.2.2.6: no wildcard for all that a registry gives out. Without a list of public suffixes, what is certain is
 * refused (a top-level domain) and what is customary (`co`, `com`, `net` and their like below a country's); a list finds
 * more, and private ones too.
 */
export function wildcards(isPublicSuffix: IsPublicSuffix = isCustomarySuffix): Rule {
  return ({ subjectAltName = [] }, position) => {
    if (position !== 'leaf') return undefined;
    for (const name of subjectAltName) {
      if (name.kind !== 'dns' || !name.value.startsWith('*')) continue;
      const parent = name.value.slice(2).toLowerCase();
      if (!parent.includes('.') || isPublicSuffix(parent))
        return broken('BR section 3.2.2.6', `the wildcard "${name.value}" of a public suffix`);
    }
    return undefined;
  };
}

const CUSTOMARY_SUFFIX =
  /^(?:ac|co|com|edu|go|gob|gov|govt|ltd|me|mil|ne|net|nom|or|org|plc|sch)\.[a-z]{2}$/u;

function isCustomarySuffix(domain: string): boolean {
  return CUSTOMARY_SUFFIX.test(domain);
}

/** BR section 7.1.2.11.1: the issuer's key by its identifier, and not by name and number. */
export const issuerFieldsOfKeyIdentifier: Rule = ({ authorityKeyIdentifier }, position) =>
  position !== 'anchor' &&
  (authorityKeyIdentifier?.issuer !== undefined || authorityKeyIdentifier?.serialNumber !== undefined)
    ? broken('BR section 7.1.2.11.1', 'an authorityKeyIdentifier with issuer or serial number')
    : undefined;

/** BR section 7.1.2.11.2: each distribution point has a full name of URIs, and neither reasons nor another issuer. */
export const distributionPointNames: Rule = ({ cRLDistributionPoints = [] }, position) => {
  if (position === 'anchor') return undefined;
  for (const { name, reasons, crlIssuer } of cRLDistributionPoints) {
    const isPlain =
      name?.kind === 'full' && name.names.every(isUri) && reasons === undefined && crlIssuer === undefined;
    if (!isPlain) return broken('BR section 7.1.2.11.2', 'a CRL distribution point that is more than URIs');
  }
  return undefined;
};

function isUri({ kind }: GeneralName): boolean {
  return kind === 'uri';
}
