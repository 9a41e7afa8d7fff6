/**
 * The closed list of reasons, as the lower-case names of `sallyport.common.v1.Reason`, and what each means at the two
 * edges. Both tables are total: a reason added to the proto does not compile until it has a row here.
 */
import type { Reason as ProtoReason } from '@sallyport/proto';

export type Reason = Lowercase<Exclude<keyof typeof ProtoReason, 'UNSPECIFIED'>>;

/** Canonical gRPC codes (https://grpc.io/docs/guides/status-codes/), by number so that no gRPC library is needed here. */
export const grpcStatus = {
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

export type GrpcStatus = (typeof grpcStatus)[keyof typeof grpcStatus];

/** Reason → gRPC status code. */
export const grpcStatusOf = {
  internal: grpcStatus.internal,
  invalid_argument: grpcStatus.invalidArgument,
  unauthenticated: grpcStatus.unauthenticated,
  caller_not_allowed: grpcStatus.permissionDenied,
  denied: grpcStatus.permissionDenied,
  not_found: grpcStatus.notFound,
  already_exists: grpcStatus.alreadyExists,
  conflict: grpcStatus.aborted,
  too_large: grpcStatus.resourceExhausted,
  busy: grpcStatus.resourceExhausted,
  unavailable: grpcStatus.unavailable,
  deadline_exceeded: grpcStatus.deadlineExceeded,
  cancelled: grpcStatus.cancelled,
  unimplemented: grpcStatus.unimplemented,
  credential_invalid: grpcStatus.unauthenticated,
  session_unknown: grpcStatus.unauthenticated,
  session_revoked: grpcStatus.unauthenticated,
  session_expired: grpcStatus.unauthenticated,
  key_unusable: grpcStatus.failedPrecondition,
  decryption_failed: grpcStatus.invalidArgument,
  lease_expired: grpcStatus.failedPrecondition,
  policy_unavailable: grpcStatus.unavailable,
  policy_invalid: grpcStatus.invalidArgument,
  invalid_message: grpcStatus.invalidArgument,
  duplicate: grpcStatus.alreadyExists,
  stale: grpcStatus.outOfRange,
  too_far_ahead: grpcStatus.outOfRange,
  expired: grpcStatus.failedPrecondition,
  correlation_reuse: grpcStatus.alreadyExists,
  outcome_unknown: grpcStatus.unknown,
  response_lost: grpcStatus.dataLoss,
  destination_unknown: grpcStatus.notFound,
  upstream_failed: grpcStatus.unavailable,
  upstream_timeout: grpcStatus.deadlineExceeded,
  spool_full: grpcStatus.resourceExhausted,
  log_inconsistent: grpcStatus.dataLoss,
} as const satisfies Record<Reason, GrpcStatus>;

interface HttpRow {
  readonly status: number;
  readonly title: string;
}

/** Reason → HTTP status and title of the problem (RFC 9457 section 3.1). */
export const httpProblemOf = {
  internal: { status: 500, title: 'Internal error' },
  invalid_argument: { status: 400, title: 'Invalid argument' },
  unauthenticated: { status: 401, title: 'Authentication required' },
  caller_not_allowed: { status: 403, title: 'Caller not allowed' },
  denied: { status: 403, title: 'Denied by policy' },
  not_found: { status: 404, title: 'Not found' },
  already_exists: { status: 409, title: 'Already exists' },
  conflict: { status: 409, title: 'Conflict with a concurrent change' },
  too_large: { status: 413, title: 'Too large' },
  busy: { status: 429, title: 'Too many requests at once' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
  deadline_exceeded: { status: 504, title: 'Deadline exceeded' },
  cancelled: { status: 499, title: 'Cancelled by the caller' },
  unimplemented: { status: 501, title: 'Not implemented' },
  credential_invalid: { status: 401, title: 'Credential not accepted' },
  session_unknown: { status: 401, title: 'Session unknown' },
  session_revoked: { status: 401, title: 'Session revoked' },
  session_expired: { status: 401, title: 'Session expired' },
  key_unusable: { status: 409, title: 'Key not usable for this operation' },
  decryption_failed: { status: 400, title: 'Decryption failed' },
  lease_expired: { status: 409, title: 'Key lease expired' },
  policy_unavailable: { status: 503, title: 'No policy to decide by' },
  policy_invalid: { status: 422, title: 'Policy not valid' },
  invalid_message: { status: 400, title: 'Message not valid' },
  duplicate: { status: 409, title: 'Message already received' },
  stale: { status: 409, title: 'Message behind the window' },
  too_far_ahead: { status: 409, title: 'Message ahead of the window' },
  expired: { status: 410, title: 'Message expired' },
  correlation_reuse: { status: 409, title: 'Correlation id already used' },
  outcome_unknown: { status: 502, title: 'Outcome unknown' },
  response_lost: { status: 410, title: 'Response no longer available' },
  destination_unknown: { status: 404, title: 'Destination unknown' },
  upstream_failed: { status: 502, title: 'Upstream failed' },
  upstream_timeout: { status: 504, title: 'Upstream timed out' },
  spool_full: { status: 503, title: 'Audit spool full' },
  log_inconsistent: { status: 500, title: 'Audit log inconsistent' },
} as const satisfies Record<Reason, HttpRow>;

/**
 * Whether the same request may be repeated unchanged, and after how long at the earliest by default (milliseconds).
 * `undefined`: repeating is pointless or, for `outcome_unknown`, unsafe without the caller's own idempotency.
 */
export const retryAfterMsOf = {
  internal: undefined,
  invalid_argument: undefined,
  unauthenticated: undefined,
  caller_not_allowed: undefined,
  denied: undefined,
  not_found: undefined,
  already_exists: undefined,
  conflict: 50,
  too_large: undefined,
  busy: 200,
  unavailable: 500,
  deadline_exceeded: undefined,
  cancelled: undefined,
  unimplemented: undefined,
  credential_invalid: undefined,
  session_unknown: undefined,
  session_revoked: undefined,
  session_expired: undefined,
  key_unusable: undefined,
  decryption_failed: undefined,
  lease_expired: undefined,
  policy_unavailable: 1000,
  policy_invalid: undefined,
  invalid_message: undefined,
  duplicate: undefined,
  stale: undefined,
  too_far_ahead: undefined,
  expired: undefined,
  correlation_reuse: undefined,
  outcome_unknown: undefined,
  response_lost: undefined,
  destination_unknown: undefined,
  upstream_failed: undefined,
  upstream_timeout: undefined,
  spool_full: 1000,
  log_inconsistent: undefined,
} as const satisfies Record<Reason, number | undefined>;

/** All of them, in the order of the proto. */
export const reasons: readonly Reason[] = Object.keys(grpcStatusOf) as Reason[];

export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.hasOwn(grpcStatusOf, value);
}
