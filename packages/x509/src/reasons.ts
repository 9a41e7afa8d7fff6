/**
 * Why a certificate path is refused: the closed list. A caller branches on the reason; `section` says which rule was
 * broken, in the form `RFC 5280 section 6.1.3 (a)(2)`, and `detail` says it to people.
 */
export const REASONS = [
  // Input
  'malformed', // not DER, or not what its ASN.1 says
  'limit', // more work than the limits allow
  // Building
  'no_path', // no anchor is reached by name
  // The chain, RFC 5280 section 6.1
  'signature_invalid',
  'algorithm_mismatch', // inside and outside of what is signed
  'algorithm_refused', // hash or signature algorithm too weak or unknown
  'key_refused', // too short, unknown curve, malformed
  'not_yet_valid',
  'expired',
  'issuer_mismatch',
  'not_a_ca',
  'path_too_long',
  'key_usage',
  'extended_key_usage',
  'name_constraints',
  'policy',
  'unknown_critical_extension',
  // Revocation, RFC 5280 section 6.3 and RFC 6960
  'revoked',
  'revocation_unknown',
  // What the caller asked of the leaf
  'name_mismatch',
  // Rules of a profile beyond section 6
  'profile',
] as const;

export type Reason = (typeof REASONS)[number];

/** One broken rule. `certificate` is the place in the candidate path, 0 = leaf; undefined when none is concerned. */
export interface Failure {
  readonly reason: Reason;
  readonly section: string;
  readonly detail: string;
  readonly certificate?: number;
}
