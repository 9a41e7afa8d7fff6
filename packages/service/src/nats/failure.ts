/** What the client library throws, as the bus says it. */
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { BusError } from '../bus/index.ts';

// err_code of the JetStream API (nats-server/server/errors.json).
const FULL: ReadonlySet<number> = new Set([
  10_023, // insufficient resources
  10_028, // memory resources exceeded
  10_047, // storage resources exceeded
  10_077, // the store refused the message: its limits, or its disk
]);
const INVALID: ReadonlySet<number> = new Set([
  10_052, // the stream's configuration is not valid
  10_054, // message size exceeds maximum allowed
  10_060, // stream not match
]);

/** `what` says what was attempted, and on what. The library's own words stay in the cause. */
export function busError(what: string, error: unknown): BusError {
  if (error instanceof BusError) return error;
  const cause = { cause: error };
  const at = rootOf(error);
  if (at instanceof errors.PermissionViolationError)
    return new BusError('refused', `${what}: the NATS server does not let this user do that`, cause);
  if (at instanceof JetStreamApiError) {
    if (FULL.has(at.code)) return new BusError('full', `${what}: JetStream is full (${at.code})`, cause);
    if (INVALID.has(at.code)) return new BusError('invalid', `${what}: JetStream error ${at.code}`, cause);
    return new BusError('unavailable', `${what}: JetStream error ${at.code}`, cause);
  }
  if (at instanceof errors.InvalidArgumentError || at instanceof errors.InvalidSubjectError)
    return new BusError('invalid', `${what}: the client refuses it`, cause);
  if (at instanceof errors.NoRespondersError)
    return new BusError('unavailable', `${what}: no stream takes it, or JetStream is off`, cause);
  if (isTimeout(at)) return new BusError('unavailable', `${what}: no answer in time`, cause);
  return new BusError('unavailable', `${what}: the connection failed`, cause);
}

export function isTimeout(error: unknown): boolean {
  return rootOf(error) instanceof errors.TimeoutError;
}

const MEANT = [
  errors.InvalidArgumentError,
  errors.InvalidSubjectError,
  errors.NoRespondersError,
  errors.PermissionViolationError,
  errors.TimeoutError,
  JetStreamApiError,
];

/** The library wraps what it means in errors that mean less. */
function rootOf(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) {
    const found = at;
    if (MEANT.some((kind) => found instanceof kind)) return found;
  }
  return error;
}
