/**
 * Who is at the other end of mutual TLS, decided by us: OpenSSL has verified the chain by then, and this is the second gate,
 * RFC 5280 section 6.1 whole and the rules for X.509-SVIDs, with the same trust roots.
 */
import type { X509Certificate } from 'node:crypto';
import type { PeerCertificate, DetailedPeerCertificate } from 'node:tls';
import {
  anchorFrom,
  createValidator,
  parseCertificate,
  parseCertificates,
  type Certificate,
} from '@sallyport/x509';
import { systemClock } from '../clock/index.ts';
import { callerFrom, type CallerResult } from './caller.ts';
import type { Trust } from './identity.ts';

/** `notAfterMs`: the first instant at which a certificate of the path ends, its anchor's included. */
export type PeerResult =
  | (Extract<CallerResult, { ok: true }> & { readonly notAfterMs: number })
  | Extract<CallerResult, { ok: false }>;

export interface PeerVerifier {
  /** The chain as the peer sent it, DER, leaf first; `side` is what the peer is. Never throws. */
  verify(chainDer: readonly Uint8Array[], side: 'client' | 'server'): PeerResult;
}

const MAX_CERTIFICATES = 8;

/** Throws `TypeError` for trust roots that cannot be read. */
export function peerVerifier(trust: Trust): PeerVerifier {
  const roots = parseCertificates(trust.caPem);
  if (!roots.ok) throw new TypeError(`the trust roots cannot be read: ${roots.failure.problem}`);
  const validator = createValidator({ anchors: roots.value.map(anchorFrom), profile: 'svid' });
  // The same that the TLS library went by.
  const clock = systemClock();
  return {
    verify(chainDer, side) {
      const chain: Certificate[] = [];
      for (const der of chainDer.slice(0, MAX_CERTIFICATES)) {
        const parsed = parseCertificate(der);
        if (!parsed.ok) return { ok: false, problem: 'unreadable' };
        chain.push(parsed.value);
      }
      const [leaf, ...intermediates] = chain;
      if (leaf === undefined) return { ok: false, problem: 'unreadable' };
      const named = callerFrom(leaf, trust.trustDomain);
      if (!named.ok) return named;
      const result = validator.validate(leaf, { at: new Date(clock.now()), intermediates, purpose: side });
      return result.valid
        ? { ...named, notAfterMs: result.notAfterMs }
        : { ok: false, problem: 'invalid_path' };
    },
  };
}

/** The chain that a socket's peer sent, from `getPeerX509Certificate()`. */
export function chainOf(leaf: X509Certificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let next: X509Certificate | undefined = leaf; next !== undefined && chain.length < MAX_CERTIFICATES;) {
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}

/** The same, from what `checkServerIdentity` is given. A self-signed certificate is its own issuer there. */
export function chainOfDetails(leaf: PeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: Partial<DetailedPeerCertificate> | undefined = leaf;
  while (next?.raw !== undefined && chain.length < MAX_CERTIFICATES) {
    const { raw } = next;
    if (chain.some((der) => raw.equals(der))) break;
    chain.push(raw);
    next = next.issuerCertificate;
  }
  return chain;
}
