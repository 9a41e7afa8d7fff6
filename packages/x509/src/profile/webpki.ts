/**
 * `webpki`: server certificates as the CA/Browser Forum's Baseline Requirements (BR) have them, as far as a validator
 * without logs, lists and registries can tell. Not looked at: policies, the length of a validity, certificate transparency,
 * revocation information.
 */
import {
  authorityKeyIdentifier,
  basicConstraintsCritical,
  caFields,
  dnsNameSyntax,
  nameConstraintsOfCas,
  neverCritical,
  policyConstraintsCritical,
  subjectAndIssuer,
  subjectKeyIdentifier,
} from './conformance.ts';
import type { Profile } from './types.ts';
import {
  keySizes,
  noUniqueIds,
  positiveSerialNumber,
  rootAuthorityKeyIdentifier,
  rootExtendedKeyUsage,
  utcTimes,
  versionThree,
} from './webpki-ca.ts';
import { commonName } from './webpki-common-name.ts';
import {
  distributionPointNames,
  issuerFieldsOfKeyIdentifier,
  leafExtendedKeyUsage,
  leafIsNoCa,
  leafSubjectAltName,
  wildcards,
  type IsPublicSuffix,
} from './webpki-leaf.ts';
import { webpkiListProblem } from './webpki-lists.ts';

/** The profile with a list of public suffixes, which this package does not have: without one, see `wildcards`. */
export function webpkiProfile(options: { readonly isPublicSuffix?: IsPublicSuffix } = {}): Profile {
  return {
    name: 'webpki',
    defaultPurpose: 'server',
    rules: [
      versionThree,
      positiveSerialNumber,
      utcTimes,
      subjectAndIssuer,
      noUniqueIds,
      neverCritical,
      policyConstraintsCritical,
      basicConstraintsCritical,
      authorityKeyIdentifier,
      subjectKeyIdentifier,
      rootAuthorityKeyIdentifier,
      issuerFieldsOfKeyIdentifier,
      rootExtendedKeyUsage,
      caFields,
      nameConstraintsOfCas,
      keySizes,
      dnsNameSyntax,
      leafIsNoCa,
      leafExtendedKeyUsage,
      leafSubjectAltName,
      wildcards(options.isPublicSuffix),
      commonName,
      distributionPointNames,
    ],
    listProblem: webpkiListProblem,
  };
}
