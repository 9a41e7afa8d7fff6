/**
 * Whether a gateway's certificate chain leads to our trust root. Every certificate is checked for its issuer, signature,
 * validity and role; the rest of RFC 5280 (name constraints, policies, revocation) is the work of packages/x509, to come.
 */
import { X509Certificate } from 'node:crypto';
import type { VerifiedGateway } from '@sallyport/channel';

const MAX_CERTIFICATES = 4;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'; // RFC 5280 section 4.2.1.12, id-kp-serverAuth
const URI_NAME = /^URI:(spiffe:\/\/[a-z0-9._/-]+)$/u;

/** The trust roots of PEM text. Throws `TypeError` where there is none. */
export function parseRoots(caPem: string): readonly X509Certificate[] {
  const blocks = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  if (blocks.length === 0) throw new TypeError('the trust roots hold no PEM certificate');
  return blocks.map((block) => new X509Certificate(block));
}

/** The leaf's key and its one SPIFFE name, or undefined when it is not to be believed. Never throws. */
export function verifyGatewayChain(
  roots: readonly X509Certificate[],
  chainDer: readonly Uint8Array[],
  atMs: number,
): VerifiedGateway | undefined {
  try {
    return verify(roots, chainDer, atMs);
  } catch {
    return undefined;
  }
}

function verify(
  roots: readonly X509Certificate[],
  chainDer: readonly Uint8Array[],
  atMs: number,
): VerifiedGateway | undefined {
  if (chainDer.length < 1 || chainDer.length > MAX_CERTIFICATES) return undefined;
  const chain = chainDer.map((der) => new X509Certificate(der));
  const [leaf] = chain;
  if (leaf === undefined || leaf.ca || !(leaf.keyUsage?.includes(SERVER_AUTH) ?? false)) return undefined;
  const last = chain.at(-1) ?? leaf;
  const root = roots.find((candidate) => isIssuedBy(last, candidate));
  if (root === undefined) return undefined;
  const path = [...chain, root];
  for (const [index, certificate] of path.entries()) {
    if (atMs < certificate.validFromDate.getTime() || atMs > certificate.validToDate.getTime())
      return undefined;
    const issuer = path[index + 1];
    if (issuer !== undefined && !isIssuedBy(certificate, issuer)) return undefined;
  }
  const spiffeId = spiffeNameOf(leaf);
  return spiffeId === undefined ? undefined : { publicKey: leaf.publicKey, spiffeId };
}

/** RFC 5280 section 6.1.3 (a) (1) and (4), 6.1.4 (k): named, signed, and by an authority. */
function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** SPIFFE X509-SVID section 2: exactly one URI name. */
export function spiffeNameOf(certificate: X509Certificate): string | undefined {
  const names = (certificate.subjectAltName ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  return names.length === 1 ? URI_NAME.exec(names[0] ?? '')?.[1] : undefined;
}
