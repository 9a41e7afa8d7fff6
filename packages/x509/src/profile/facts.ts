/** What rules ask of a certificate. */
import type { Certificate, Extension, Oid } from '../certificate/types.ts';
import { sameName } from '../names/name-key.ts';
import type { Failure } from '../reasons.ts';

/** Extensions whose criticality is ruled on. */
export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  freshestCRL: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
} as const satisfies Record<string, Oid>;

/** RFC 5280 section 4.2.1.12. */
export const USAGE = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  /** RFC 6962 section 3.1. */
  precertificateSigning: '1.3.6.1.4.1.11129.2.4.4',
} as const satisfies Record<string, Oid>;

export function extensionOf(certificate: Certificate, oid: Oid): Extension | undefined {
  for (const extension of certificate.extensions) if (extension.oid === oid) return extension;
  return undefined;
}

export function isCritical(certificate: Certificate, oid: Oid): boolean {
  return extensionOf(certificate, oid)?.critical === true;
}

export function isCa({ basicConstraints }: Certificate): boolean {
  return basicConstraints?.ca === true;
}

/** RFC 5280 section 3.2: issuer and subject are the same entity. */
export function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return sameName(subject, issuer);
}

export function broken(section: string, detail: string): Failure {
  return { reason: 'profile', section, detail };
}
