/** An OCSP answer as a value (RFC 6960 section 4.2), decoded once from strict DER. */
import type { AlgorithmIdentifier, Certificate, Extension, Name, Oid } from '../../certificate/types.ts';
import type { RevocationReason } from '../crl/types.ts';

/** Section 4.1.1. */
export interface CertId {
  readonly hashAlgorithm: Oid;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serialNumber: Uint8Array;
}

export type CertStatus =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly atMs: number; readonly reason: RevocationReason }
  | { readonly kind: 'unknown' };

export interface SingleResponse {
  readonly certId: CertId;
  readonly status: CertStatus;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
  readonly extensions: readonly Extension[];
}

/** Section 4.2.1: by name, or by the SHA-1 of the responder's public key. */
export type ResponderId =
  { readonly kind: 'name'; readonly name: Name } | { readonly kind: 'key'; readonly keyHash: Uint8Array };

/** A successful basic response. */
export interface BasicOcspResponse {
  readonly responseStatus: 'successful';
  readonly der: Uint8Array;
  readonly fingerprint: string;
  readonly tbs: Uint8Array;
  readonly responderId: ResponderId;
  readonly producedAtMs: number;
  readonly responses: readonly SingleResponse[];
  readonly extensions: readonly Extension[];
  readonly nonce: Uint8Array | undefined;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signatureValue: Uint8Array;
  /** What the responder sent along: untrusted. */
  readonly certificates: readonly Certificate[];
}

/** Any other status: an answer that says nothing about a certificate. */
export interface FailedOcspResponse {
  readonly responseStatus: 'malformedRequest' | 'internalError' | 'tryLater' | 'sigRequired' | 'unauthorized';
}

export type OcspResponse = BasicOcspResponse | FailedOcspResponse;
