/** What the gRPC edge asks of the service around it. */
import type { Reason } from '../errors/index.ts';
import type { PrincipalCaller } from '../identity/index.ts';

/** What an action acts on, as policy sees it. */
export interface Resource {
  readonly kind: string;
  readonly name: string;
}

/** Policy's answer. */
export interface Verdict {
  readonly allowed: boolean;
  readonly reasons: readonly string[];
  /** For a denial: what would allow it. */
  readonly requires: readonly string[];
  /** The policy revision that decided. */
  readonly revision: bigint;
}

/**
 * Decides a principal's call. Throws `SallyportError` `policy_unavailable` when nothing can be decided; the call is
 * refused then, as it is for anything else thrown.
 */
export type AuthorizePrincipal = (
  caller: PrincipalCaller,
  action: string,
  resource: Resource,
  options: { readonly signal: AbortSignal },
) => Promise<Verdict>;

/** One decided call of a principal. */
export interface PrincipalCall {
  readonly caller: PrincipalCaller;
  readonly action: string;
  readonly resource: Resource;
  /** `sallyport.key.v1.KeyService/RotateKey`. */
  readonly method: string;
  readonly peerAddress: string;
  /** Unique per call, 16 random bytes in hex; the same in the log, the error detail and the audit event. */
  readonly correlationId: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Whether the answer is a stream: data leaves before the outcome is known. */
  readonly streaming: boolean;
  /** `undefined` when policy could not be asked: the call was refused as `policy_unavailable`. */
  readonly verdict: Verdict | undefined;
}

/** How a decided and admitted call of a principal ended. */
export interface PrincipalCallOutcome {
  /** `unknown`: it was given up while its handler ran, which may have done its work nevertheless. */
  readonly outcome: 'success' | 'refused' | 'failure' | 'unknown';
  /** `undefined` for a success. */
  readonly reason: Reason | undefined;
  readonly durationMs: number;
}

/**
 * Told of every principal's call, allowed or denied, before the handler runs. The call waits for it and is refused when
 * it rejects: nothing takes effect without a trace.
 */
export type OnDecision = (call: PrincipalCall) => Promise<void>;

/**
 * Told how an allowed call ended, before its answer (of a stream: its status) leaves. When it rejects, the call fails
 * with that error: no answer leaves without a trace either.
 */
export type OnOutcome = (call: PrincipalCall, outcome: PrincipalCallOutcome) => Promise<void>;
