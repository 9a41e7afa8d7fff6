/** `rfc5280`: certificates as section 4 of the RFC has them. */
import {
  authorityKeyIdentifier,
  basicConstraintsCritical,
  caFields,
  dnsNameSyntax,
  nameConstraintsCritical,
  nameConstraintsOfCas,
  neverCritical,
  policyConstraintsCritical,
  serialNumber,
  subjectAndIssuer,
  subjectKeyIdentifier,
  usageFitsKey,
} from './conformance.ts';
import type { Profile } from './types.ts';

export const RFC5280: Profile = {
  name: 'rfc5280',
  defaultPurpose: 'any',
  rules: [
    serialNumber,
    subjectAndIssuer,
    neverCritical,
    policyConstraintsCritical,
    nameConstraintsCritical,
    basicConstraintsCritical,
    authorityKeyIdentifier,
    subjectKeyIdentifier,
    caFields,
    nameConstraintsOfCas,
    dnsNameSyntax,
    usageFitsKey,
  ],
};
