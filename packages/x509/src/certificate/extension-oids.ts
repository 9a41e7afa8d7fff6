import type { KnownExtensions, Oid } from './types.ts';

/**
 * The extensions that this package understands, in the order of RFC 5280 section 4.2. The one list of them: each is decoded
 * (`known-extensions.ts`), and a critical one that is not here refuses the certificate (`path/critical-extensions.ts`).
 */
export const EXTENSION = {
  authorityKeyIdentifier: '2.5.29.35',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  subjectAltName: '2.5.29.17',
  issuerAltName: '2.5.29.18',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  policyConstraints: '2.5.29.36',
  extendedKeyUsage: '2.5.29.37',
  cRLDistributionPoints: '2.5.29.31',
  inhibitAnyPolicy: '2.5.29.54',
  freshestCRL: '2.5.29.46',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
} as const satisfies Record<keyof KnownExtensions, Oid>;
