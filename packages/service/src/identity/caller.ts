/** Who is at the other end of a mutual TLS connection, from nothing but the verified certificate. */
import type { Certificate } from '@sallyport/x509';
import { uriNameOf, type UriSanProblem } from './san.ts';
import {
  isServiceName,
  parseSpiffeId,
  type PrincipalId,
  type PrincipalKind,
  type ServiceName,
} from './spiffe.ts';

export interface ServiceCaller {
  readonly kind: 'service';
  readonly name: ServiceName;
  readonly spiffeId: string;
}

export interface PrincipalCaller {
  readonly kind: 'principal';
  /** `user:alice`. */
  readonly id: PrincipalId;
  readonly principalKind: PrincipalKind;
  readonly spiffeId: string;
}

/** A service is judged by an allow-list, a principal by policy. */
export type Caller = ServiceCaller | PrincipalCaller;

export type CallerProblem =
  | UriSanProblem
  | 'invalid_path'
  | 'not_a_leaf'
  | 'not_a_spiffe_id'
  | 'other_trust_domain'
  | 'unknown_service';

export type CallerResult =
  { readonly ok: true; readonly caller: Caller } | { readonly ok: false; readonly problem: CallerProblem };

/**
 * The caller that a certificate names. The path must have been verified before (`peerVerifier`, or auth-service): this
 * function reads names only, and never throws.
 */
export function callerFrom(certificate: Certificate, trustDomain: string): CallerResult {
  // SPIFFE X509-SVID section 4.1: a leaf must not be a CA.
  if (certificate.basicConstraints?.ca === true) return { ok: false, problem: 'not_a_leaf' };
  const uri = uriNameOf(certificate);
  if (!uri.ok) return uri;
  const id = parseSpiffeId(uri.value);
  if (id === undefined) return { ok: false, problem: 'not_a_spiffe_id' };
  if (id.trustDomain !== trustDomain) return { ok: false, problem: 'other_trust_domain' };
  if (id.kind !== 'svc') {
    const principal: PrincipalId = `${id.kind}:${id.name}`;
    return {
      ok: true,
      caller: { kind: 'principal', id: principal, principalKind: id.kind, spiffeId: uri.value },
    };
  }
  if (!isServiceName(id.name)) return { ok: false, problem: 'unknown_service' };
  return { ok: true, caller: { kind: 'service', name: id.name, spiffeId: uri.value } };
}
