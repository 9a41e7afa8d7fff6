/**
 * Extended key usage along a path. RFC 5280 section 4.2.1.12 says what it means in the certificate whose key is used; that
 * a CA's own extension bounds what it may issue for is no rule of the RFC but of the CA/Browser Forum's Baseline
 * Requirements (section 7.1.2) and of Windows, OpenSSL, Go and the browsers alike: who limits a CA by it relies on it.
 */
import type { Certificate, KeyUsage, Oid } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';

const ANY_EXTENDED_KEY_USAGE: Oid = '2.5.29.37.0';
/** A CA designates its responders by issuing for this usage directly (RFC 6960 section 4.2.2.2), and need not have it itself. */
const OCSP_SIGNING: Oid = '1.3.6.1.5.5.7.3.9';

/** The leaf's own: each asked usage is listed, or any is, or there is no extension and so no restriction. */
export function checkLeafUsage(
  { extendedKeyUsage: allowed, keyUsage }: Certificate,
  asked: readonly Oid[],
): Failure | undefined {
  if (allowed === undefined || asked.length === 0) return undefined;
  return (
    (allowed.includes(ANY_EXTENDED_KEY_USAGE) ? undefined : missing(allowed, asked)) ??
    (keyUsage === undefined ? undefined : inconsistent(keyUsage, asked))
  );
}

/** Bits of keyUsage of which section 4.2.1.12 wants one at least beside the usage. */
const CONSISTENT: ReadonlyMap<Oid, readonly KeyUsage[]> = new Map<Oid, readonly KeyUsage[]>([
  ['1.3.6.1.5.5.7.3.1', ['digitalSignature', 'keyEncipherment', 'keyAgreement']], // serverAuth
  ['1.3.6.1.5.5.7.3.2', ['digitalSignature', 'keyAgreement']], // clientAuth
  ['1.3.6.1.5.5.7.3.3', ['digitalSignature']], // codeSigning
  ['1.3.6.1.5.5.7.3.4', ['digitalSignature', 'nonRepudiation', 'keyEncipherment', 'keyAgreement']], // emailProtection
  ['1.3.6.1.5.5.7.3.8', ['digitalSignature', 'nonRepudiation']], // timeStamping
  [OCSP_SIGNING, ['digitalSignature', 'nonRepudiation']],
]);

/** Where a certificate has both extensions, it MUST only be used for a purpose that is consistent with both. */
function inconsistent(keyUsage: ReadonlySet<KeyUsage>, asked: readonly Oid[]): Failure | undefined {
  for (const usage of asked) {
    const bits = CONSISTENT.get(usage);
    if (bits !== undefined && !bits.some((bit) => keyUsage.has(bit)))
      return {
        reason: 'key_usage',
        section: 'RFC 5280 section 4.2.1.12',
        detail: `a key usage that is not consistent with usage ${usage}`,
      };
  }
  return undefined;
}

/** The same of the CAs above it. */
export function checkIssuerUsage(certificate: Certificate, asked: readonly Oid[]): Failure | undefined {
  const allowed = certificate.extendedKeyUsage;
  if (allowed === undefined || asked.length === 0 || allowed.includes(ANY_EXTENDED_KEY_USAGE))
    return undefined;
  return missing(
    allowed,
    asked.filter((usage) => usage !== OCSP_SIGNING),
  );
}

function missing(allowed: readonly Oid[], asked: readonly Oid[]): Failure | undefined {
  const refused = asked.find((usage) => !allowed.includes(usage));
  if (refused === undefined) return undefined;
  return {
    reason: 'extended_key_usage',
    section: 'RFC 5280 section 4.2.1.12',
    detail: `not for usage ${refused}`,
  };
}
