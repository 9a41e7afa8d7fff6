/** The extensions of policies: RFC 5280 sections 4.2.1.4, 4.2.1.5 and 4.2.1.11. */
import type { DerReader } from '../der/reader.ts';
import { SEQUENCE, contextPrimitive } from '../der/tags.ts';
import type { KnownExtensions, Oid, PolicyInformation } from './types.ts';

/** SEQUENCE SIZE (1..MAX) OF PolicyInformation, no policy twice. */
export function decodeCertificatePolicies(reader: DerReader): PolicyInformation[] {
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('certificate policies without a policy');
  const policies: PolicyInformation[] = [];
  const seen = new Set<Oid>();
  while (reader.hasMore) {
    const start = reader.offset;
    const inner = reader.open(SEQUENCE);
    const oid = reader.oid();
    const qualifiers = reader.hasMore ? decodeQualifiers(reader) : undefined;
    reader.close(inner);
    // RFC 5280 section 4.2.1.4: a certificate policy OID MUST NOT appear more than once
    if (seen.has(oid)) reader.fail(`the policy ${oid} is there twice`, start);
    seen.add(oid);
    policies.push({ oid, qualifiers });
  }
  reader.close(outer);
  return policies;
}

/** SEQUENCE SIZE (1..MAX) OF PolicyQualifierInfo, checked and given as it stands: no rule of a path reads it. */
function decodeQualifiers(reader: DerReader): Uint8Array {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('policy qualifiers without a qualifier');
  while (reader.hasMore) {
    const inner = reader.open(SEQUENCE);
    reader.oid();
    reader.skip();
    reader.close(inner);
  }
  reader.close(outer);
  return reader.bytes.subarray(start, reader.offset);
}

/** SEQUENCE SIZE (1..MAX) OF the pairs. */
export function decodePolicyMappings(
  reader: DerReader,
): { readonly issuerDomain: Oid; readonly subjectDomain: Oid }[] {
  const outer = reader.open(SEQUENCE);
  if (!reader.hasMore) reader.fail('policy mappings without a mapping');
  const mappings: { issuerDomain: Oid; subjectDomain: Oid }[] = [];
  while (reader.hasMore) {
    const inner = reader.open(SEQUENCE);
    mappings.push({ issuerDomain: reader.oid(), subjectDomain: reader.oid() });
    reader.close(inner);
  }
  reader.close(outer);
  return mappings;
}

export function decodePolicyConstraints(
  reader: DerReader,
): NonNullable<KnownExtensions['policyConstraints']> {
  const start = reader.offset;
  const outer = reader.open(SEQUENCE);
  const requireExplicitPolicy = decodeSkip(reader, contextPrimitive(0));
  const inhibitPolicyMapping = decodeSkip(reader, contextPrimitive(1));
  reader.close(outer);
  // RFC 5280 section 4.2.1.11: conforming CAs MUST NOT issue certificates where it is an empty sequence
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined)
    reader.fail('policy constraints without a constraint', start);
  return { requireExplicitPolicy, inhibitPolicyMapping };
}

const decodeSkip = (reader: DerReader, identifier: number): number | undefined =>
  reader.isNext(identifier) ? reader.unsigned(identifier) : undefined;
