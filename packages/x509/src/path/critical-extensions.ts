/** RFC 5280 sections 6.1.4 (o) and 6.1.5 (f): a critical extension that is not recognised, or cannot be processed, refuses. */
import { EXTENSION } from '../certificate/extension-oids.ts';
import type { Certificate, Oid } from '../certificate/types.ts';
import { readDer } from '../der/reader.ts';
import { SEQUENCE } from '../der/tags.ts';
import type { Failure } from '../reasons.ts';

/** The extensions of section 4.2, all of which are decoded; a malformed one has refused the certificate before. */
const RECOGNISED: ReadonlySet<Oid> = new Set(Object.values(EXTENSION));

/** id-qt-cps and id-qt-unotice, section 4.2.1.4: both are for people, so knowing them is processing them. */
const QUALIFIERS: ReadonlySet<Oid> = new Set<Oid>(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2']);

export function checkCriticalExtensions(certificate: Certificate, section: string): Failure | undefined {
  for (const { oid, critical } of certificate.extensions) {
    if (!critical) continue;
    if (!RECOGNISED.has(oid))
      return { reason: 'unknown_critical_extension', section, detail: `critical extension ${oid}` };
    if (oid === EXTENSION.certificatePolicies && !knowsQualifiers(certificate))
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
