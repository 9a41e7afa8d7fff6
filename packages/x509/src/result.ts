/** What a validation answers: a value, whatever the input was. */
import type { Certificate, Oid } from './certificate/types.ts';
import type { TrustAnchor } from './input.ts';
import type { Failure } from './reasons.ts';
import type { WorkDone } from './work.ts';

/** Where a status came from. Times are milliseconds since 1970. */
export interface RevocationSource {
  readonly kind: 'crl' | 'ocsp';
  /** Subject of who signed it, as text. */
  readonly issuer: string;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
  /** `at` less `thisUpdate`. */
  readonly ageMs: number;
  /** `delta` where a delta CRL was combined with its base. */
  readonly delta?: boolean;
  /**
   * Where neither the issuer in the path nor the anchor signed, what is known of the signer's own certificate: `good` by
   * CRL or OCSP, `no_check` by id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1), or nothing.
   */
  readonly signerStatus?: 'good' | 'no_check' | 'unknown';
}

/** What was found out about one certificate of the path, and what was not. */
export interface RevocationReport {
  /** 0 = leaf. */
  readonly certificate: number;
  readonly status: 'good' | 'revoked' | 'unknown' | 'not_checked';
  /** Evidence that was verified and used. */
  readonly sources: readonly RevocationSource[];
  /** Evidence that was at hand and not usable, and why; empty when none was there at all. */
  readonly unused: readonly { readonly kind: 'crl' | 'ocsp'; readonly problem: string }[];
  readonly revokedAtMs?: number;
  readonly revocationReason?: string;
}

/** RFC 5280 section 6.1.6. `any` stands for the special anyPolicy. */
export interface ValidPolicies {
  readonly authorityConstrained: 'any' | readonly Oid[];
  readonly userConstrained: 'any' | readonly Oid[];
}

export interface Valid {
  readonly valid: true;
  /** Leaf first; the anchor's own certificate is not in it. */
  readonly path: readonly Certificate[];
  readonly anchor: TrustAnchor;
  readonly policies: ValidPolicies;
  readonly revocation: readonly RevocationReport[];
  /** The first instant, in milliseconds since 1970, at which a certificate of the path ends. */
  readonly notAfterMs: number;
  /** What it cost, in the units of `Limits`; `signatureChecks` is less where the cache knew. */
  readonly work: WorkDone;
}

/** One candidate that was refused: leaf first, as far as it was built. */
export interface RefusedPath {
  readonly path: readonly Certificate[];
  /** Undefined when the path ended before an anchor. */
  readonly anchor: TrustAnchor | undefined;
  readonly failure: Failure;
  readonly revocation: readonly RevocationReport[];
}

export interface Invalid {
  readonly valid: false;
  /** That of the candidate that came furthest. */
  readonly failure: Failure;
  readonly candidates: readonly RefusedPath[];
  /** As in `Valid`. */
  readonly work: WorkDone;
}

export type ValidationResult = Valid | Invalid;
