/** What federation needs from outside. */
import type { Call, Caller, Handles, MessageCall } from '../ports.ts';

export type FederatePorts = {
  /** Milliseconds; never goes back. */
  readonly now: () => number;
  /** Runs `task` once after `delayMs`; disposing cancels. Must not keep the process alive. */
  readonly schedule: (delayMs: number, task: () => void) => Disposable;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Seals the session ids of the federated door, under the route `FEDERATED_ROUTE`. */
  readonly handles: Handles;
  /** How the federated door introduces itself. */
  readonly implementation: { readonly name: string; readonly version: string };
  /** Told whenever a server is left out of an answer; for the log and metrics. Must not throw. */
  readonly leftOut: (report: LeftOut) => void;
  /** Whether a caller may see a route at all; one that it may not is as if it were not there. Absent: `guarded/` decides alone. */
  readonly mayUse?: (caller: Caller, route: string) => boolean | Promise<boolean>;
  /**
   * Told, and waited for, when something is refused here because it leads to no server: no guard sees it. Rejects with
   * `UpstreamFailure`.
   */
  readonly refused?: (
    call: Call | MessageCall,
    what: 'send' | 'listen' | 'end',
    reason: FederateRefusal,
  ) => Promise<void>;
  readonly limits?: Partial<FederateLimits>;
};

/** Closed; as `guarded/` calls the same things. */
export type FederateRefusal =
  | 'unavailable' /* nobody can say whether a handle is good */
  | 'tool_unknown'
  | 'prompt_unknown'
  | 'resource_unknown'
  | 'method_unknown'
  | 'cursor_invalid'
  | 'session_unknown'
  | 'request_unknown';

export type LeftOut = { readonly route: string; readonly method: string; readonly cause: unknown };

/** No configured route can have this name. */
export const FEDERATED_ROUTE = '*';

export type FederateLimits = {
  /** For one server's part of a list, `initialize` or `server/discover`, all of its pages together. */
  readonly listDeadlineMs: number;
  /** For one that took longer than that, so long. */
  readonly slowDeadlineMs: number;
  readonly slowForMs: number;
  /** Of one server's list. */
  readonly maxPages: number;
  readonly maxItems: number;
  /** How long names are looked up in what was listed. */
  readonly directoryMs: number;
  readonly maxDirectories: number;
  /** Of the federated door, over all callers. */
  readonly maxSessions: number;
  readonly maxSessionsPerPrincipal: number;
  readonly sessionIdleMs: number;
  /** Requests of servers that wait for one client. */
  readonly maxAsked: number;
};

export const FEDERATE_LIMITS: FederateLimits = {
  listDeadlineMs: 3_000,
  slowDeadlineMs: 250,
  slowForMs: 30_000,
  maxPages: 100,
  maxItems: 10_000,
  directoryMs: 5 * 60_000,
  maxDirectories: 1_024,
  maxSessions: 4_096,
  maxSessionsPerPrincipal: 64,
  sessionIdleMs: 30 * 60_000,
  maxAsked: 128,
};
