/** What the calls of one server share, and the life of a single call on it. */
import { randomBytes } from 'node:crypto';
import { status as grpcStatus, type Metadata } from '@grpc/grpc-js';
import type { DescMessage } from '@bufbuild/protobuf';
import type { Clock } from '../clock/index.ts';
import {
  type SallyportError,
  asSallyportError,
  cancelled,
  deadlineExceeded,
  toGrpcStatus,
  unauthenticated,
} from '../errors/index.ts';
import type { Caller, CallerProblem } from '../identity/index.ts';
import type { Log } from '../log/index.ts';
import { parseTraceparent, type Tracer } from '../telemetry/index.ts';
import type { MethodAccess } from './access.ts';
import type { Connection } from './connections.ts';
import type { Resource } from './ports.ts';
import type { Instruments } from './instruments.ts';
import type { GrpcLimits } from './limits.ts';
import type { AuthorizePrincipal, OnDecision, OnOutcome } from './ports.ts';

export interface Edge {
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer: Tracer | undefined;
  readonly instruments: Instruments;
  readonly limits: GrpcLimits;
  readonly connectionOf: (peer: string) => Connection | undefined;
  readonly authorizePrincipal: AuthorizePrincipal | undefined;
  readonly onDecision: OnDecision | undefined;
  readonly onOutcome: OnOutcome | undefined;
  /** Calls under way. */
  readonly calls: Set<ActiveCall>;
}

/** A method as the edge runs it. */
export interface ServedMethod {
  readonly name: string;
  readonly access: MethodAccess;
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly resourceOf: ((request: never) => Resource) | undefined;
  readonly validate: ((request: never) => void) | undefined;
}

/** What every kind of grpc-js server call has. */
export interface SurfaceCall {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Date | number;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** One call from its first byte to its status. */
export interface ActiveCall {
  readonly method: ServedMethod;
  readonly correlationId: string;
  readonly connection: Connection | undefined;
  readonly peerAddress: string;
  /** Milliseconds since the epoch; Infinity for a stream of frames. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly startedAt: number;
  /** Ends it early with `reason`. */
  readonly abort: (reason: SallyportError) => void;
  /** Rejects with the abort's reason; never resolves. For races. */
  readonly aborted: Promise<never>;
  /** Stops its timer and takes it off the list. Returns its age in milliseconds. */
  readonly finish: () => number;
}

/** Starts a call's deadline. `maxMs` of Infinity means none, neither ours nor the caller's. */
export function beginCall(
  edge: Edge,
  method: ServedMethod,
  call: SurfaceCall,
  bounds: { readonly defaultMs: number; readonly maxMs: number },
): ActiveCall {
  const controller = new AbortController();
  const now = edge.clock.now();
  const startedAt = edge.clock.monotonic();
  const asked = remainingMs(call);
  const allowedMs = Math.min(asked ?? bounds.defaultMs, bounds.maxMs);
  const tooLate = deadlineExceeded(`no answer within ${Math.round(allowedMs)} ms`);
  const timer = Number.isFinite(allowedMs)
    ? setTimeout(() => controller.abort(tooLate), Math.max(0, allowedMs))
    : undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error), {
      once: true,
    });
  });
  // Nobody may be racing when the abort comes.
  aborted.catch(() => {});
  const connection = edge.connectionOf(call.getPeer());
  const active: ActiveCall = {
    method,
    correlationId: randomBytes(16).toString('hex'),
    connection,
    peerAddress: connection?.peerAddress ?? '',
    deadline: now + allowedMs,
    signal: controller.signal,
    startedAt,
    abort: (reason) => controller.abort(reason),
    aborted,
    finish() {
      clearTimeout(timer);
      edge.calls.delete(active);
      return edge.clock.monotonic() - startedAt;
    },
  };
  edge.calls.add(active);
  // grpc-js emits this when the stream is gone, after a normal end too: then it changes nothing any more.
  call.once('cancelled', () => {
    // Its own timer for a deadline that the caller named may be a little ahead of ours.
    const late = (remainingMs(call) ?? Infinity) <= 0;
    controller.abort(late ? tooLate : cancelled('the caller gave up'));
  });
  return active;
}

/** Milliseconds the caller allows, or `undefined` when it named none. */
function remainingMs(call: SurfaceCall): number | undefined {
  const deadline = call.getDeadline();
  const epochMs = deadline instanceof Date ? deadline.getTime() : deadline;
  // grpc-js computed it from the machine's clock a moment ago.
  return Number.isFinite(epochMs) ? epochMs - Date.now() : undefined;
}

const PROBLEMS: Record<CallerProblem, string> = {
  unreadable: 'cannot be read',
  invalid_path: 'is not valid for this use, or is no X.509-SVID',
  no_uri_san: 'has no SPIFFE name',
  several_uri_sans: 'has more than one URI name',
  not_a_leaf: 'is an authority, not a leaf',
  not_a_spiffe_id: 'has a URI name that is not a SPIFFE id of Sallyport',
  other_trust_domain: 'is of another trust domain',
  unknown_service: 'names a service that does not exist',
};

/** Who calls, or `undefined` on a server that asks for no certificate. Throws `unauthenticated`. */
export function callerOf(edge: Edge, call: ActiveCall): Caller | undefined {
  const { connection } = call;
  if (connection === undefined) throw unauthenticated('the connection is gone');
  const { identified } = connection;
  if (identified === undefined) return undefined;
  if (!identified.ok) throw unauthenticated(`your certificate ${PROBLEMS[identified.problem]}`);
  // The handshake was long ago for some connections.
  if (connection.notAfter <= edge.clock.now()) throw unauthenticated('your certificate has expired');
  return identified.caller;
}

/** The span around a server call; continues the caller's trace. */
export function inServerSpan<T>(
  edge: Edge,
  call: SurfaceCall,
  active: ActiveCall,
  run: () => Promise<T>,
): Promise<T> {
  if (edge.tracer === undefined) return run();
  const [header] = call.metadata.get('traceparent');
  const parent = typeof header === 'string' ? parseTraceparent(header) : undefined;
  const attributes = {
    'rpc.system': 'grpc',
    'rpc.method': active.method.name,
    'sallyport.correlation_id': active.correlationId,
  };
  return edge.tracer.span(`${active.method.name}`, attributes, run, {
    kind: 'server',
    parent: parent ?? null,
  });
}

/** Ends the account of a call: metrics, and the log line for what nobody expected. Returns the error to send. */
export function concludeCall(edge: Edge, call: ActiveCall, thrown: unknown): SallyportError | undefined {
  const durationMs = call.finish();
  if (thrown === undefined) {
    edge.instruments.call('server', call.method.name, grpcStatus.OK, durationMs);
    return undefined;
  }
  const error = asSallyportError(thrown, call.correlationId);
  edge.instruments.call('server', call.method.name, toGrpcStatus(error.reason), durationMs);
  const fields = {
    method: call.method.name,
    reason: error.reason,
    correlationId: error.correlationId,
    caller: call.connection?.identified?.ok === true ? call.connection.identified.caller.spiffeId : undefined,
    durationMs: Math.round(durationMs),
  };
  if (error.reason === 'internal') {
    edge.log.error('a call failed for an unexpected cause', { ...fields, error: error.cause });
  } else {
    edge.log.info('a call was refused', fields);
  }
  return error;
}
