/**
 * The one error type that crosses an edge. What it says is for the caller to read; its `cause` never leaves the process.
 */
import { grpcStatusOf, httpProblemOf, retryAfterMsOf, type GrpcStatus, type Reason } from './reason.ts';

export interface ErrorOptions {
  /** The offending field as a path (`destinations[0].name`), where there is one. */
  readonly field?: string;
  /** Names the log line that holds the cause. */
  readonly correlationId?: string;
  /** Overrides the reason's own waiting time; `undefined` keeps it. */
  readonly retryAfterMs?: number;
  /** Logged once at the edge; never sent. */
  readonly cause?: unknown;
}

/** `message` is what a person reads: what is wrong, where, and what to do next. It holds no secret and no user data. */
export class SallyportError extends Error {
  override readonly name: string = 'SallyportError';
  readonly reason: Reason;
  readonly field: string | undefined;
  readonly correlationId: string | undefined;
  /** Earliest sensible repetition in milliseconds; `undefined` when the same request must not be repeated. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.field = options.field;
    this.correlationId = options.correlationId;
    this.retryAfterMs = options.retryAfterMs ?? retryAfterMsOf[reason];
  }

  get retryable(): boolean {
    return this.retryAfterMs !== undefined;
  }
}

type Factory = (message: string, options?: ErrorOptions) => SallyportError;
const factory =
  (reason: Reason): Factory =>
  (message, options) =>
    new SallyportError(reason, message, options);

export const invalidArgument = factory('invalid_argument');
export const unauthenticated = factory('unauthenticated');
export const callerNotAllowed = factory('caller_not_allowed');
export const denied = factory('denied');
export const notFound = factory('not_found');
export const alreadyExists = factory('already_exists');
export const conflict = factory('conflict');
export const tooLarge = factory('too_large');
export const busy = factory('busy');
export const unavailable = factory('unavailable');
export const deadlineExceeded = factory('deadline_exceeded');
export const cancelled = factory('cancelled');
export const unimplemented = factory('unimplemented');

/** What every caller reads for a failure nobody expected. */
export const internalMessage =
  'Something went wrong inside. Quote the correlation id to whoever runs this service.';

/** `internal` with the fixed message: the cause stays here, the caller gets the id that finds it in the log. */
export function internal(cause: unknown, correlationId: string): SallyportError {
  return new SallyportError('internal', internalMessage, { cause, correlationId });
}

/**
 * At an edge: a `SallyportError` passes (with the correlation id added when it has none, and its message replaced when
 * its reason is `internal`); anything else becomes `internal`. Never looks at message text.
 */
export function asSallyportError(error: unknown, correlationId: string): SallyportError {
  if (!(error instanceof SallyportError)) return internal(error, correlationId);
  if (error.reason === 'internal') return internal(error, error.correlationId ?? correlationId);
  if (error.correlationId !== undefined) return error;
  return new SallyportError(error.reason, error.message, {
    correlationId,
    cause: error.cause ?? error,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  });
}

/** gRPC status code for a reason; the reason itself travels as a typed detail (`/grpc`). */
export function toGrpcStatus(reason: Reason): GrpcStatus {
  return grpcStatusOf[reason];
}

/** Problem details (RFC 9457 section 3), media type `application/problem+json`. */
export interface HttpProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason: Reason;
  readonly field?: string;
  readonly correlationId?: string;
  /** Also belongs into `Retry-After`, rounded up to seconds (RFC 9110 section 10.2.3). */
  readonly retryAfterMs?: number;
}

export const problemMediaType = 'application/problem+json';

/** Pass errors through `asSallyportError` first: this one does not hide anything. */
export function toHttpProblem(error: SallyportError): HttpProblem {
  const row = httpProblemOf[error.reason];
  return {
    type: `urn:sallyport:reason:${error.reason}`,
    title: row.title,
    status: row.status,
    detail: error.message,
    reason: error.reason,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...(error.correlationId === undefined ? {} : { correlationId: error.correlationId }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}
