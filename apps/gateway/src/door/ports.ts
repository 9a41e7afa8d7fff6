/**
 * The Model Context Protocol door: what its layers hand each other (DESIGN.md section 10).
 *
 * One interface, `ModelContextServer`, from the upstream to the client's connection; each layer wraps the one below:
 * upstream (`upstream/`: Streamable HTTP, stdio, channel) → the other era (`translate/`) → guarded (`guarded/`: decided, pinned,
 * filtered, sealed, recorded) → federated (`federate/`) → the face of a door (`http/`, or the secure channel).
 */
import type { Message, Revision } from '@sallyport/model-context';
import type { Principal } from '@sallyport/policy-engine';

/** Who calls, as the access token or the channel's session says. */
export type Caller = {
  /** Frozen; `method` is how it proved itself: `oauth`, `certificate`, `psk`. */
  readonly principal: Principal;
  /** Hex of 16 bytes: the session at auth-service that the token belongs to, or the channel's. Revoking it ends both. */
  readonly sessionId: string;
  /** OAuth client; empty on the channel. */
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  /** When the credential ends; streams end with it. */
  readonly notAfterMs: number;
  readonly peerAddress: string;
};

/** One HTTP-like exchange: a message to a server, or a wait for what it says by itself. */
export type Call = {
  readonly caller: Caller;
  readonly revision: Revision;
  /** As the layer above gave it: sealed at the face, the upstream's own below `guarded/`. Sessions only. */
  readonly sessionId?: string;
  /** W3C: advice for tracing. */
  readonly traceparent?: string;
  /** What the record says of this message: told to the server, which finds it there again. */
  readonly evidence?: {
    /** Hex of 16 bytes. */
    readonly correlation: string;
    readonly policyRevision: string;
  };
  /** Aborts when the client is gone or the gateway stops: what is under way is cancelled. */
  readonly signal: AbortSignal;
};

export type MessageCall = Call & {
  readonly message: Message;
  /** `Mcp-Param-*` as received, names in lower case; they agree with the body (2026-07-28). */
  readonly parameterHeaders?: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the body as received, for the record. Absent: the record has that of the message as it is written here. */
  readonly requestDigest?: string;
  /**
   * The client takes a stream up again itself: one that the server closes in order, with an event id and without the
   * response (2025-11-25 "Sending Messages", 6), ends like that here. Otherwise, and when it breaks, it is taken up below.
   */
  readonly clientResumes?: boolean;
};

export type ListenCall = Call & {
  /** Resumption of a stream (2025-11-25). */
  readonly lastEventId?: string;
};

export type ServerEvent = {
  /** Absent: an event without data (2025-11-25 priming). */
  readonly message?: Message;
  readonly id?: string;
  readonly retryMs?: number;
};

/**
 * What a server answers. `messages` may be iterated once; leaving the loop early cancels the exchange. It throws
 * `UpstreamFailure` when the server breaks off. For a request it ends after the response to it.
 */
export type Exchange = {
  /** HTTP status: 200 with messages, 202 none expected, 4xx and 5xx with at most one error message. */
  readonly status: number;
  /** How the server chose to answer; a face may make events of one message, never one of many. */
  readonly kind: 'none' | 'json' | 'events';
  readonly messages: AsyncIterable<ServerEvent>;
  /** Of an `initialize` that opened a session. */
  readonly sessionId?: string;
};

/** A server, whatever is between. Methods reject with `UpstreamFailure` only; what a server refuses is an `Exchange`. */
export type ModelContextServer = {
  /** A request, notification or response from the client. */
  send(call: MessageCall): Promise<Exchange>;
  /** The stream of what the server says by itself (GET of 2025-11-25). 405 where there is none. */
  listen(call: ListenCall): Promise<Exchange>;
  /** Ends a session (DELETE). 404 when it is unknown, 405 when the server does not allow it. */
  end(call: Call): Promise<Exchange>;
};

/** A server behind the gateway: a `ModelContextServer` with a life. Keeps callers apart by principal and tenant. */
export type Upstream = ModelContextServer &
  AsyncDisposable & {
    readonly route: string;
    /** Which eras it speaks itself; asked once and remembered. Rejects with `UpstreamFailure`. */
    eras(signal: AbortSignal): Promise<ReadonlySet<'stateless' | 'session'>>;
    /** For `/readyz` as a note; undefined = well. */
    trouble(): string | undefined;
  };

/** Closed; each has one way to be told to a client and one status in the record. */
export type UpstreamProblem =
  | 'unreachable' /* certainly without effect: it was not reached */
  | 'busy' /* a limit of ours or its circuit is open: certainly without effect */
  | 'timeout'
  | 'broke_off' /* connection or process ended before the answer was whole */
  | 'too_large'
  | 'malformed' /* not the protocol */
  | 'cancelled';

/** Why a server could not be asked or did not answer. The message is for people, and names no caller and no content. */
export class UpstreamFailure extends Error {
  readonly problem: UpstreamProblem;
  /** Nothing happened; it may be asked for again. */
  readonly isWithoutEffect: boolean;
  constructor(
    problem: UpstreamProblem,
    message: string,
    options: { isWithoutEffect?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UpstreamFailure';
    this.problem = problem;
    this.isWithoutEffect = options.isWithoutEffect ?? (problem === 'unreachable' || problem === 'busy');
  }
}

/** Of the name of a history, which is these bytes in base64url. */
export const HISTORY_BYTES = 8;

/** DPoP proofs seen before (RFC 9449 section 11.1), shared by all replicas. Throws when it cannot tell: refuse then. */
export type ProofGuard = {
  /**
   * Claims `jti` of the key with this thumbprint until `notAfterMs`; a proof issued at `issuedAtMs`, or, whatever that says,
   * after the histories of `madeIn` began, which is asked for only where that matters. `stale`: it may have been claimed
   * before the history in which it would be now.
   */
  claim(proof: {
    readonly thumbprint: string;
    readonly tokenId: string;
    readonly issuedAtMs: number;
    readonly notAfterMs: number;
    /** Never rejects. */
    readonly madeIn?: () => Promise<ReadonlySet<string>>;
  }): Promise<'new' | 'seen' | 'stale'>;
  /** Names of the histories met so far, the last one first; the same at every gateway that met them. */
  histories(): readonly string[];
};

/**
 * Handles that leave the gateway (session ids, cursors, event ids, request states), sealed to who may come back with them.
 * The same on every replica. Opening a foreign, altered or outlived one is undefined.
 */
export type Handles = {
  /** Visible ASCII, safe in headers and URLs. Rejects with `SallyportError` (`unavailable`) when there is no key to be had. */
  seal(handle: HandleScope & { readonly value: string }): Promise<string>;
  /** Rejects with `SallyportError` when nobody can say whether it is good: to be tried again, and never taken for a bad one. */
  open(handle: HandleScope & { readonly sealed: string }): Promise<string | undefined>;
};
export type HandleScope = {
  readonly kind: HandleKind;
  readonly caller: Caller;
  readonly route: string;
  /** What else it is good for only: a method, a session, the digest of a request. Default: nothing more. */
  readonly binding?: string;
};
/** `request`: the id of what a server asks the client. */
export type HandleKind = 'session' | 'cursor' | 'event' | 'request' | 'request_state' | 'task';
