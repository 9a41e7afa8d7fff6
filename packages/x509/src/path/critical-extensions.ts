/** RFC 5280 sections 6.1.4 (o) and 6.1.5 (f): a critical extension that is not recognised, or cannot be processed, refuses. */
import type { Certificate, Oid } from '../certificate/types.ts';
import { readDer } from '../der/reader.ts';
import { SEQUENCE } from '../der/tags.ts';
import type { Failure } from '../reasons.ts';

/** The extensions of section 4.2, all of which are decoded; a malformed one has refused the certificate before. */
const RECOGNISED: ReadonlySet<Oid> = new Set<Oid>([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.15', // keyUsage
  '2.5.29.17', // subjectAltName
  '2.5.29.18', // issuerAltName
  '2.5.29.19', // basicConstraints
  '2.5.29.30', // nameConstraints
  '2.5.29.31', // cRLDistributionPoints
  '2.5.29.32', // certificatePolicies
  '2.5.29.33', // policyMappings
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.36', // policyConstraints
  '2.5.29.37', // extKeyUsage
  '2.5.29.46', // freshestCRL
  '2.5.29.54', // inhibitAnyPolicy
  '1.3.6.1.5.5.7.1.1', // authorityInfoAccess
  '1.3.6.1.5.5.7.1.11', // subjectInfoAccess
]);

const CERTIFICATE_POLICIES: Oid = '2.5.29.32';

/** id-qt-cps and id-qt-unotice, section 4.2.1.4: both are for people, so knowing them is processing them. */
const QUALIFIERS: ReadonlySet<Oid> = new Set<Oid>(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2']);

export function checkCriticalExtensions(certificate: Certificate, section: string): Failure | undefined {
  for (const { oid, critical } of certificate.extensions) {
    if (!critical) continue;
    if (!RECOGNISED.has(oid))
      return { reason: 'unknown_critical_extension', section, detail: `critical extension ${oid}` };
    if (oid === CERTIFICATE_POLICIES && !knowsQualifiers(certificate))
      return {
        reason: 'unknown_critical_extension',
        section: 'RFC 5280 section 4.2.1.4',
        detail: 'a policy qualifier that is not known, in a critical extension',
      };
  }
  return undefined;
}

function knowsQualifiers({ certificatePolicies = [] }: Certificate): boolean {
  for (const { qualifiers } of certificatePolicies)
    if (qualifiers !== undefined && !areKnown(qualifiers)) return false;
  return true;
}

/** policyQualifiers: a SEQUENCE of SEQUENCEs that begin with an OID. */
function areKnown(qualifiers: Uint8Array): boolean {
  const parsed = readDer(qualifiers, qualifiers.length, (reader) => {
    let known = true;
    const list = reader.open(SEQUENCE);
    while (reader.hasMore) {
      const qualifier = reader.open(SEQUENCE);
      known = QUALIFIERS.has(reader.oid()) && known;
      while (reader.hasMore) reader.skip();
      reader.close(qualifier);
    }
    reader.close(list);
    return known;
  });
  return parsed.ok && parsed.value;
}
