/** What guarding a route needs from the rest of the gateway. */
import type { JsonObject } from '@sallyport/model-context';
import type { Decision, DecisionRequest } from '@sallyport/policy-engine';
import type { Caller, Handles } from '../ports.ts';

/** A question to the policy with the arguments of a call; `any`: could there be arguments that are allowed. */
export type Question = DecisionRequest & { readonly arguments?: JsonObject | 'any' };

export type GuardedPorts = {
  /** One of the configured routes; the destination in the record. */
  readonly route: string;
  /** Synchronous and in process (`denyWhenStale`). What it throws is a denial. */
  readonly decide: (question: Question) => Decision;
  /** The revision in force, for the record of what policy was not asked about. */
  readonly policyRevision: () => string;
  readonly records: CallRecords;
  readonly pins: Pins;
  readonly handles: Handles;
  readonly metrics: GuardedMetrics;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  readonly onProblem: (what: string, fields: Readonly<Record<string, unknown>>) => void;
};

/** One message as both of its records name it. */
export type RecordedCall = {
  readonly caller: Caller;
  readonly route: string;
  /** Hex of 16 random bytes. */
  readonly correlation: string;
  readonly action: string;
  /** Tool, prompt or URI, whole; the record cuts it. */
  readonly target?: string;
  /** Hex SHA-256 of the RFC 8785 form of the arguments. */
  readonly argumentsDigest?: string;
  /** Of the session at this gateway. */
  readonly seq: bigint;
  readonly traceparent?: string;
};

export type CallDecision = {
  readonly decision: 'allow' | 'deny';
  readonly reason: string;
  readonly policyRevision: string;
  /** Hex SHA-256 of the message as received. */
  readonly requestDigest: string;
};

export type CallOutcome = {
  readonly outcome: 'success' | 'failure' | 'unknown';
  readonly status: string;
  readonly durationMs: number;
};

/** Both resolve when the record is durable. They reject with `SallyportError` (`spool_full`, `unavailable`). */
export type CallRecords = {
  decision(call: RecordedCall, decision: CallDecision): Promise<void>;
  /** May use the spool's reserve: what was begun may end. */
  outcome(call: RecordedCall, outcome: CallOutcome): Promise<void>;
  /** The next place in the caller's session at this gateway. */
  nextSeq(caller: Caller): bigint;
};

/** A definition as a server gave it, known by what a model reads of it. */
export type SeenTool = {
  readonly name: string;
  /** Hex SHA-256 of the RFC 8785 form of name, title, description, inputSchema, outputSchema and annotations. */
  readonly digest: string;
  readonly definition: JsonObject;
};

/** `changed`: not what was pinned. `waiting`: nobody has approved it yet. Both are kept from clients. */
export type PinVerdict = 'pinned' | 'changed' | 'waiting';

/** Which definitions are approved. Everything is synchronous and in memory. */
export type Pins = {
  /**
   * One verdict for each, in order. Of a tool that has no pin yet the route's mode answers: `first-use` pins it, here and
   * at once, until the bundle says what is pinned; `approve` lets it wait.
   */
  check(route: string, tools: readonly Pick<SeenTool, 'name' | 'digest'>[]): readonly PinVerdict[];
  /** The digest pinned for a tool, if any. */
  current(route: string, tool: string): string | undefined;
  /** Told in the background; called once for each digest that a route shows, and again after a while. */
  observe(route: string, tools: readonly SeenTool[]): void;
};

/** Closed: what a server did that the protocol does not know. Dropped, counted, never passed on. */
export type Violation =
  | 'unasked_response'
  | 'second_response'
  | 'unexpected_request'
  | 'too_many_requests'
  | 'malformed_list'
  | 'malformed_result';

export type GuardedMetrics = {
  decided(decision: 'allow' | 'deny', ms: number): void;
  concluded(outcome: CallOutcome['outcome'], ms: number): void;
  /** Items of a list that the caller was not shown. */
  hidden(why: 'policy' | 'pin', count: number): void;
  /** Why a message of a client was not forwarded. */
  refused(reason: string): void;
  violation(kind: Violation): void;
};
