export { isReason, grpcStatus, grpcStatusOf, httpProblemOf, reasons, retryAfterMsOf } from './reason.ts';
export type { GrpcStatus, Reason } from './reason.ts';
export {
  alreadyExists,
  asSallyportError,
  busy,
  callerNotAllowed,
  cancelled,
  conflict,
  deadlineExceeded,
  denied,
  internal,
  internalMessage,
  invalidArgument,
  notFound,
  problemMediaType,
  SallyportError,
  toGrpcStatus,
  toHttpProblem,
  tooLarge,
  unauthenticated,
  unavailable,
  unimplemented,
} from './error.ts';
export type { ErrorOptions, HttpProblem } from './error.ts';
