/** What the pipeline needs from the world. Adapters: `guard/`, `routes/`, `clients/`. */
import type { KeyObject } from 'node:crypto';
import type { Principal } from '@sallyport/policy-engine';
import type { ReceivedState } from '../domain/received.ts';
import type { RouteResult } from '../domain/route-result.ts';

/** Where the record of a message is, and the policy that allowed it. */
export type MessageEvidence = {
  /** Hex. */
  readonly sessionId: string;
  /** Hex. */
  readonly correlation: string;
  readonly sequence: number;
  /** Of the sealed message, as its sender signed it and as the record of the decision has it; hex. */
  readonly digest: string;
  readonly policyRevision: string;
};

/** Who opened the session, for routes that decide for themselves. */
export type Sender = {
  /** Frozen. */
  readonly principal: Principal;
  readonly peerAddress: string;
  /** When the session's binding ends. */
  readonly notAfterMs: number;
};

/** A message on its way to a destination. */
export type RouteRequest = {
  readonly destination: string;
  readonly sender: Sender;
  /** Names the effect: the same for a request and its resend (session id and correlation in hex). */
  readonly idempotencyKey: string;
  readonly principal: string;
  readonly tenant: string;
  /** With these the destination, or who checks it later, finds the message in the audit log. */
  readonly evidence: MessageEvidence;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** W3C traceparent: advice for tracing, never an input to a decision. */
  readonly traceparent: string | undefined;
  /** Aborts when the gateway can wait no longer for answers; what was sent may have taken effect. */
  readonly signal: AbortSignal;
};

/** How the gateway reaches a destination. */
export type Route = {
  /** Whether a request may be sent twice: the upstream recognises its idempotency key. */
  readonly isIdempotent: boolean;
  /** Never rejects. */
  send(request: RouteRequest): Promise<RouteResult>;
};

/** One record of a frame, as the guard sees it. */
export type RecordClaim = {
  readonly seq: number;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
  /** Present for a request: the effect that must happen at most once. */
  readonly request?: {
    /** Hex of 16 bytes. */
    readonly correlation: string;
    /** 32 bytes, of the content: the same correlation with another digest is refused. */
    readonly digest: Uint8Array;
    /** When the client first sent it, in gateway time; present for a resend. */
    readonly firstSentAtMs?: number;
    /** It may run again when nobody can tell whether it did: its route recognises it. */
    readonly isRepeatable?: boolean;
  };
};

/**
 * `new`: admitted now, and claimed by this gateway. `taken_over`: likewise, from a gateway that died; it is repeatable, and
 * may have taken effect before, so it must never be said that nothing happened.
 * `done`: was answered before; the response may still be there. `running`: being worked on by a live gateway. `unknown`:
 * nobody can tell whether it took effect.
 */
export type RecordVerdict =
  | 'new'
  | 'taken_over'
  | 'duplicate'
  | 'stale'
  | 'too_far_ahead'
  | 'done'
  | 'running'
  | 'unknown'
  | 'correlation_reuse'
  | 'busy';

/** Why a whole frame is refused, with nothing consumed. */
export type FrameRefusal = 'session_unknown' | 'revoked' | 'expired' | 'superseded' | 'epoch_required';

export type GuardVerdict =
  | {
      readonly kind: 'admitted';
      /** One per record, in order. */
      readonly verdicts: readonly RecordVerdict[];
      readonly received: ReceivedState;
    }
  | { readonly kind: 'refused'; readonly cause: FrameRefusal };

/** An attachment, as `attach` gave it: the object itself, not a copy. */
export type GuardSession = {
  /** Hex. */
  readonly sessionId: string;
  /** What attachment the caller believes it has. */
  readonly generation: number;
};

export type Attachment = {
  /** Hex. */
  readonly sessionId: string;
  readonly notAfterMs: number;
  /** Seals responses that are kept outside this process; the same wherever the session is attached. 32 bytes. */
  readonly responseKey: KeyObject;
};

/**
 * Replay guard (DESIGN.md section 5, PROTOCOL.md "GUARD"): one atomic step per frame, all or nothing but for the
 * verdicts per record. Throws only when it cannot decide, within a bounded time; the frame is refused then, retryably.
 * Should it have been admitted all the same, a resend hears of nothing worse than a claim that is running.
 */
export type ReplayGuard = {
  /** Opens the session's record, or takes it over: the generation before is superseded. */
  attach(attachment: Attachment): Promise<GuardSession>;
  admit(session: GuardSession, records: readonly RecordClaim[]): Promise<GuardVerdict>;
  /**
   * The effect is final, whoever is attached by now. `response` is kept for a resend while it fits; without one a resend
   * hears `response_lost`. What could not be told is tried again when it rejects.
   */
  conclude(session: GuardSession, results: readonly ConcludedRequest[]): Promise<void>;
  /** The kept response of a request that is `done`. */
  response(session: GuardSession, correlation: string): Promise<Uint8Array | undefined>;
  /** From now on frames of the session are refused as `revoked`, also if it is attached only later. */
  revoke(sessionId: string): Promise<void>;
  /** Forgets a session that ended. */
  close(session: GuardSession): Promise<void>;
};

/** What another gateway needs to take a session on. */
export type StoredSession = {
  readonly generation: number;
  /** The highest sequence accepted from the client. */
  readonly received: number;
  /** As `save` or `takeOver` got it. */
  readonly sealedRecord: Uint8Array;
};

/** Where gateways leave sessions for each other (PROTOCOL.md "One attachment"). Throws when it cannot be asked. */
export type SessionStore = {
  /** Of an attached session; without effect once another attachment won. At most 16 KiB. */
  save(session: GuardSession, sealedRecord: Uint8Array): Promise<void>;
  /** Whether it is still the attachment. */
  isAttached(session: GuardSession): Promise<boolean>;
  /** `revoked`, or undefined when nobody left such a session. */
  find(sessionId: string): Promise<StoredSession | 'revoked' | undefined>;
  /**
   * Attaches the session if its generation is still this one: exactly one of those who try wins. Every sequence below
   * `firstSequence` is closed, and the record takes the place of the one that was found.
   */
  takeOver(
    attachment: Attachment,
    found: Pick<StoredSession, 'generation'>,
    next: { readonly firstSequence: number; readonly sealedRecord: Uint8Array },
  ): Promise<GuardSession | { readonly refused: FrameRefusal }>;
};

export type ConcludedRequest = {
  readonly correlation: string;
  /** `released`: it took no effect and may be sent anew, as if it had never come. */
  readonly state: 'done' | 'released';
  /** Kept for a resend of what is done. */
  readonly response: Uint8Array | undefined;
};

export type { ReceivedState, RouteResult };
