/** What federation needs from outside. */
import type { Caller } from '../ports.ts';

export type FederatePorts = {
  readonly schedule: (delayMs: number, task: () => void) => Disposable;
  readonly randomBytes: (length: number) => Uint8Array;
  /** How the federated door introduces itself. */
  readonly implementation: { readonly name: string; readonly version: string };
  /** Told whenever a server is left out of an answer; for the log and metrics. Must not throw. */
  readonly leftOut: (report: {
    readonly route: string;
    readonly method: string;
    readonly cause: unknown;
  }) => void;
  /** Whether a caller may see a route at all (policy); a route that it may not is as if it were not there. */
  readonly mayUse?: (caller: Caller, route: string) => Promise<boolean>;
  readonly limits?: Partial<FederateLimits>;
};

export type FederateLimits = {
  /** For one server's part of a list, `initialize` or `server/discover`. */
  readonly listDeadlineMs: number;
  /** Of the federated door, over all callers. */
  readonly maxSessions: number;
  readonly sessionIdleMs: number;
};

export const FEDERATE_LIMITS: FederateLimits = {
  listDeadlineMs: 3_000,
  maxSessions: 4096,
  sessionIdleMs: 30 * 60_000,
};
