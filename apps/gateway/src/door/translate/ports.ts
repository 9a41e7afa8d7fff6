/** What the translation between the two eras needs from outside, and what it is. */
import type { ModelContextServer } from '../ports.ts';

/** Holds the sessions and open calls of its callers. Disposing ends them, not the server below. */
export type Facing = ModelContextServer & AsyncDisposable;

export type TranslatePorts = {
  /** Monotonic or wall clock, milliseconds. */
  readonly now: () => number;
  /** Runs `task` once after `delayMs`; disposing cancels. Must not keep the process alive. */
  readonly schedule: (delayMs: number, task: () => void) => Disposable;
  readonly randomBytes: (length: number) => Uint8Array;
  /** How the gateway introduces itself where a revision wants a name and the other side gave none. */
  readonly implementation: { readonly name: string; readonly version: string };
  readonly limits?: Partial<TranslateLimits>;
};

export type TranslateLimits = {
  /** Sessions opened at one server for stateless callers, over all callers. */
  readonly maxSessions: number;
  /** Of one principal. */
  readonly maxSessionsPerPrincipal: number;
  /** A session nobody used for so long is ended. */
  readonly sessionIdleMs: number;
  /** Calls held open while a client gathers input, over all callers. */
  readonly maxHeldCalls: number;
  readonly maxHeldCallsPerPrincipal: number;
  /** How long a client may gather input. */
  readonly heldCallMs: number;
  /** Of session clients at a stateless server. */
  readonly maxClientSessions: number;
  readonly maxClientSessionsPerPrincipal: number;
  readonly clientSessionIdleMs: number;
  /** How often a request may be asked for input before it counts as an error. */
  readonly maxInputRounds: number;
  /** How long a session client may take to answer one request of the server. */
  readonly clientAnswerMs: number;
  /** Requests of the server that one round may hold. */
  readonly maxInputRequests: number;
  /** Resources that one session may be subscribed to. */
  readonly maxSubscriptions: number;
};

export const TRANSLATE_LIMITS: TranslateLimits = {
  maxSessions: 1024,
  maxSessionsPerPrincipal: 16,
  sessionIdleMs: 5 * 60_000,
  maxHeldCalls: 256,
  maxHeldCallsPerPrincipal: 16,
  heldCallMs: 5 * 60_000,
  maxClientSessions: 4096,
  maxClientSessionsPerPrincipal: 64,
  clientSessionIdleMs: 30 * 60_000,
  maxInputRounds: 16,
  clientAnswerMs: 5 * 60_000,
  maxInputRequests: 32,
  maxSubscriptions: 256,
};
