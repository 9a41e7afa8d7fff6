/**
 * Whether a gateway's certificate chain leads to our trust root.
 *
 * Every certificate is checked for issuer, signature, validity, role, path length and criticality of what it says. A
 * critical extension that is not in `UNDERSTOOD`, name constraints among them, refuses the chain. Full RFC 5280 section 6
 * with name constraints, policies and revocation is the work of packages/x509, to come.
 */
import { X509Certificate } from 'node:crypto';
import type { VerifiedGateway } from '@sallyport/channel';
import { extensionsOf, uriNamesOf } from './certificate-extensions.ts';

const MAX_CERTIFICATES = 4;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'; // RFC 5280 section 4.2.1.12, id-kp-serverAuth
/** DER bodies of id-ce 15, 17, 19, 37: what this module, or OpenSSL for it, takes into account. */
const EXTENSION = {
  keyUsage: '551d0f',
  names: '551d11',
  basicConstraints: '551d13',
  extendedUsage: '551d25',
} as const;
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(EXTENSION));
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]+(?:\/[a-zA-Z0-9._-]+)+$/u;

/** The trust roots of PEM text. Throws `TypeError` where there is none. */
export function parseRoots(caPem: string): readonly X509Certificate[] {
  const blocks = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  if (blocks.length === 0) throw new TypeError('the trust roots hold no PEM certificate');
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new TypeError('the trust roots hold a certificate that cannot be read', { cause: error });
  }
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
  const last = chain.at(-1);
  if (leaf === undefined || last === undefined || !isGatewayLeaf(leaf)) return undefined;
  const root = roots.find((candidate) => isIssuedBy(last, candidate));
  if (root === undefined) return undefined;
  const path = [...chain, root];
  for (const [index, certificate] of path.entries()) {
    if (atMs < certificate.validFromDate.getTime() || atMs > certificate.validToDate.getTime())
      return undefined;
    if (!isUnderstood(certificate)) return undefined;
    // RFC 5280 section 6.1.4 (l), (m): between it and the leaf stand index - 1 authorities.
    if (index > 0 && index - 1 > pathLengthOf(certificate)) return undefined;
    const issuer = path[index + 1];
    if (issuer !== undefined && !isIssuedBy(certificate, issuer)) return undefined;
  }
  const spiffeId = spiffeNameOf(leaf.raw);
  return spiffeId === undefined ? undefined : { publicKey: leaf.publicKey, spiffeId };
}

function isGatewayLeaf(leaf: X509Certificate): boolean {
  const isServer = leaf.keyUsage?.includes(SERVER_AUTH) ?? false; // Node's name for the extended key usages
  return !leaf.ca && isServer && leaf.publicKey.asymmetricKeyType === 'ed25519' && maySign(leaf);
}

/** RFC 5280 section 4.2.1.3: bit 0, digitalSignature, where there is a key usage. */
function maySign(leaf: X509Certificate): boolean {
  const usage = extensionsOf(leaf.raw)?.get(EXTENSION.keyUsage);
  // BIT STRING: tag, length, unused bits, and the first bit is the highest.
  return usage === undefined || (usage.value[0] === 0x03 && ((usage.value[3] ?? 0) & 0x80) !== 0);
}

/** RFC 5280 section 6.1.5 (e): an unprocessed critical extension refuses the path. */
function isUnderstood(certificate: X509Certificate): boolean {
  const extensions = extensionsOf(certificate.raw);
  return (
    extensions !== undefined &&
    [...extensions].every(([id, { isCritical }]) => !isCritical || UNDERSTOOD.has(id))
  );
}

/** RFC 5280 section 4.2.1.9: SEQUENCE { cA TRUE, pathLen INTEGER OPTIONAL }; Infinity where it names none. */
function pathLengthOf(authority: X509Certificate): number {
  const { value } = extensionsOf(authority.raw)?.get(EXTENSION.basicConstraints) ?? {};
  if (value === undefined) return 0;
  const hasLength = value.length > 5;
  // 30 06 01 01 ff 02 01 nn; a length in any other form is read as the strictest.
  return hasLength && value[5] === 0x02 && value[6] === 1 ? (value[7] ?? 0) : hasLength ? 0 : Infinity;
}

/** RFC 5280 section 6.1.3 (a) (1) and (4), 6.1.4 (k), (n): named, signed, and by an authority that may. */
function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** SPIFFE X509-SVID section 2: exactly one URI name, a SPIFFE id. */
export function spiffeNameOf(der: Uint8Array): string | undefined {
  const names = uriNamesOf(extensionsOf(der)?.get(EXTENSION.names)?.value ?? new Uint8Array(0));
  const [name, ...others] = names ?? [];
  return name !== undefined && others.length === 0 && SPIFFE_ID.test(name) ? name : undefined;
}
