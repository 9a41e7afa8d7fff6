/** What rules ask of a certificate. */
import type { Certificate, Extension, Oid } from '../certificate/types.ts';
import { sameName } from '../names/name-key.ts';
import type { Failure } from '../reasons.ts';

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
