/**
 * Basic validation of certificate chains (RFC 5280 section 6.1, as far as OpenSSL checks a link): signatures, issuer
 * names and their right to sign, validity, one SPIFFE name, one use. Name constraints, policies, path lengths and
 * revocation are not looked at here.
 *
 * The chain is leaf first, in order, nothing to spare: what is sent is what is checked. An anchor at its end is allowed.
 */
import { X509Certificate } from 'node:crypto';
import { constantTimeEqual } from '@sallyport/crypto';
import { callerFromCertificate, type CallerProblem } from '@sallyport/service/identity';
import type { VerifyChain } from '../app/ports.ts';
import type { ChainCause } from '../domain/handshake-cause.ts';

const MAX_CERTIFICATES = 4;
/** RFC 5280 section 4.2.1.12. */
const USAGE = { client: '1.3.6.1.5.5.7.3.2', gateway: '1.3.6.1.5.5.7.3.1' } as const;

/** Trust anchors from PEM text. Throws `TypeError` for text that holds none, or one that is not a CA. */
export function readAnchors(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu) ?? [];
  if (blocks.length === 0) throw new TypeError('the anchors hold no PEM certificate');
  return blocks.map((block, index) => {
    const anchor = parse(Buffer.from(block));
    if (anchor === undefined) throw new TypeError(`anchor ${index + 1} is not a certificate`);
    if (!anchor.ca)
      throw new TypeError(`anchor ${index + 1} (${anchor.subject}) is not a certificate authority`);
    return anchor;
  });
}

export function chainVerifier(anchors: readonly X509Certificate[], trustDomain: string): VerifyChain {
  return (chainDer, use, atMs) => {
    const path = pathOf(anchors, chainDer);
    if (typeof path === 'string') return refused(path);
    const cause = pathProblem(path, atMs);
    if (cause !== undefined) return refused(cause);
    const [leaf] = path;
    if (leaf.ca) return refused('certificate_is_ca');
    // Node calls the extended key usages `keyUsage`; none at all would mean any use.
    if (!(leaf.keyUsage ?? []).includes(USAGE[use])) return refused('certificate_usage');
    const named = callerFromCertificate(leaf, trustDomain);
    if (!named.ok) return refused(NAME_CAUSE[named.problem]);
    const { caller } = named;
    if ((use === 'client') !== (caller.kind === 'principal')) return refused('certificate_kind');
    return {
      ok: true,
      publicKey: leaf.publicKey,
      spiffeId: caller.spiffeId,
      principal: caller.kind === 'principal' ? caller.id : undefined,
      notAfterMs: Math.min(...path.map((certificate) => certificate.validToDate.getTime())),
    };
  };
}

const NAME_CAUSE = {
  unreadable: 'certificate_name',
  no_uri_san: 'certificate_name',
  several_uri_sans: 'certificate_name',
  not_a_spiffe_id: 'certificate_name',
  not_a_leaf: 'certificate_is_ca',
  other_trust_domain: 'certificate_trust_domain',
  unknown_service: 'certificate_kind',
} as const satisfies Record<CallerProblem, ChainCause>;

/** Leaf to anchor, at least one link. */
type Path = readonly [leaf: X509Certificate, ...issuers: X509Certificate[]];

function pathOf(anchors: readonly X509Certificate[], chainDer: readonly Uint8Array[]): Path | ChainCause {
  if (chainDer.length < 1 || chainDer.length > MAX_CERTIFICATES) return 'chain_length';
  const sent: X509Certificate[] = [];
  for (const der of chainDer) {
    const certificate = parse(der);
    // OpenSSL also reads PEM and stops at the end of the DER: what we digest must be what was checked.
    if (certificate === undefined || !constantTimeEqual(certificate.raw, der))
      return 'certificate_unreadable';
    sent.push(certificate);
  }
  const [leaf, ...issuers] = sent;
  if (leaf === undefined) return 'chain_length';
  const last = issuers.at(-1);
  if (last !== undefined && anchors.some((anchor) => anchor.raw.equals(last.raw))) return [leaf, ...issuers];
  const top = last ?? leaf;
  const anchor = anchors.find((candidate) => isIssuedBy(top, candidate));
  return anchor === undefined ? 'certificate_untrusted' : [leaf, ...issuers, anchor];
}

/** What is wrong with a path whose end is an anchor. */
function pathProblem(path: Path, atMs: number): ChainCause | undefined {
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1];
    if (issuer !== undefined && (!issuer.ca || !isIssuedBy(certificate, issuer))) return 'certificate_issuer';
    if (atMs < certificate.validFromDate.getTime()) return 'certificate_not_yet_valid';
    if (atMs > certificate.validToDate.getTime()) return 'certificate_expired';
  }
  return undefined;
}

/** Names, key identifiers and keyCertSign (`checkIssued`), then the signature. */
function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function parse(bytes: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes);
  } catch {
    return undefined;
  }
}

function refused(cause: ChainCause) {
  return { ok: false, cause } as const;
}
