/** What a refused path is called in metrics and in the audit log. */
import type { CallerProblem } from '@sallyport/service/identity';
import type { Reason } from '@sallyport/x509';
import type { ChainCause } from '../../domain/handshake-cause.ts';

export const PATH_CAUSE = {
  malformed: 'certificate_unreadable',
  limit: 'certificate_limit',
  no_path: 'certificate_untrusted',
  signature_invalid: 'certificate_untrusted',
  issuer_mismatch: 'certificate_untrusted',
  algorithm_mismatch: 'certificate_algorithm',
  algorithm_refused: 'certificate_algorithm',
  key_refused: 'certificate_algorithm',
  not_yet_valid: 'certificate_not_yet_valid',
  expired: 'certificate_expired',
  not_a_ca: 'certificate_issuer',
  path_too_long: 'certificate_issuer',
  key_usage: 'certificate_issuer',
  extended_key_usage: 'certificate_usage',
  name_constraints: 'certificate_constraints',
  policy: 'certificate_policy',
  unknown_critical_extension: 'certificate_extension',
  revoked: 'certificate_revoked',
  revocation_unknown: 'certificate_revocation_unknown',
  name_mismatch: 'certificate_name',
  profile: 'certificate_profile',
} as const satisfies Record<Reason, ChainCause>;

export const NAME_CAUSE = {
  unreadable: 'certificate_name',
  no_uri_san: 'certificate_name',
  several_uri_sans: 'certificate_name',
  invalid_path: 'certificate_untrusted',
  not_a_spiffe_id: 'certificate_name',
  not_a_leaf: 'certificate_is_ca',
  other_trust_domain: 'certificate_trust_domain',
  unknown_service: 'certificate_kind',
} as const satisfies Record<CallerProblem, ChainCause>;
