/** Events of the message path: one per frame and phase, and the count of what was refused before authentication. */
import { api, base, endpoint, envelope, session, user } from './parts.ts';
import type { EventContext, PeerAddress } from './parts.ts';
import type { AuditEvent, ConcludedMessage, DecidedMessage, Decision, Outcome } from './event.ts';
import { MAX_DESTINATION_BYTES, MAX_FRAME_MESSAGES, MAX_OPERATION_MESSAGES } from './limits.ts';
import { operationRef } from './operation.ts';
import type { Operation } from './operation.ts';
import { boundedTraces, traced } from './traces.ts';
import { check } from './values.ts';

export interface MessageDecision {
  /** Of the session. */
  readonly seq: bigint;
  /** 16 bytes, hexadecimal. */
  readonly correlation: string;
  /** At most 255 bytes of UTF-8, as it was in the header. */
  readonly destination: string;
  /** "message.send". */
  readonly action: string;
  readonly decision: Decision;
  readonly reason: string;
  readonly policyRevision: string;
  /** Hexadecimal, at most 32 bytes. */
  readonly requestDigest: string;
  /** Only in an event of at most 128 messages. */
  readonly operation?: Operation;
  /** W3C; what is not one is left out, and so are those after the 32nd of a frame. */
  readonly traceparent?: string;
}

export interface MessageOutcome {
  readonly seq: bigint;
  readonly correlation: string;
  readonly destination: string;
  readonly action: string;
  readonly outcome: Outcome;
  /** The route's status ("200", "timeout") or the reason of a refusal. */
  readonly status: string;
  readonly responseDigest?: string;
  readonly durationMs: number;
  /** As of a decision. */
  readonly operation?: Operation;
  /** As of a decision. */
  readonly traceparent?: string;
}

interface FrameInput {
  /** Authenticated: the frame's signature was verified. */
  readonly principal: string;
  readonly sessionId: string;
  readonly peer: PeerAddress;
}

export interface FrameDecisionInput extends FrameInput {
  readonly phase: 'decision';
  /** 1 to 256. */
  readonly messages: readonly MessageDecision[];
}

export interface FrameOutcomeInput extends FrameInput {
  readonly phase: 'outcome';
  /** 1 to 256. */
  readonly messages: readonly MessageOutcome[];
}

/** The decisions, or the outcomes, of one frame. The severity is that of its worst message. */
export function frameEvent(context: EventContext, input: FrameDecisionInput | FrameOutcomeInput): AuditEvent {
  const namesOperations = input.messages.some(({ operation }) => operation !== undefined);
  const mostMessages = namesOperations ? MAX_OPERATION_MESSAGES : MAX_FRAME_MESSAGES;
  check.count('messages', input.messages.length, 1, mostMessages);
  const common = {
    actor: { user: user(input.principal) },
    api: api('message.send', 'gateway'),
    src_endpoint: endpoint(input.peer),
    session: session(input.sessionId),
  };
  if (input.phase === 'decision') {
    const allowed = input.messages.every((message) => message.decision === 'allow');
    return {
      ...envelope(context, 'sallyport.audit.frame_decision'),
      data: {
        ...base(context, 6003, 6, 1, 'message', allowed ? 'success' : 'refused', undefined),
        ...common,
        unmapped: { kind: 'frame_decision', messages: boundedTraces(input.messages).map(decided) },
      },
    };
  }
  const worst = (['unknown', 'failure', 'refused'] as const).find((outcome) =>
    input.messages.some((message) => message.outcome === outcome),
  );
  return {
    ...envelope(context, 'sallyport.audit.frame_outcome'),
    data: {
      ...base(context, 6003, 6, 1, 'message', worst ?? 'success', undefined),
      ...common,
      unmapped: { kind: 'frame_outcome', messages: boundedTraces(input.messages).map(concluded) },
    },
  };
}

export interface RejectedFramesInput {
  /** Where they came from: an address is all that is known. */
  readonly peer: PeerAddress;
  readonly cause: string;
  readonly count: number;
  readonly interval: { readonly fromMs: number; readonly toMs: number };
}

/**
 * Frames refused before anyone was authenticated, counted over an interval. There is no principal in it: the name in
 * such a frame is a claim, and recording it would let anyone write anyone's name into the log.
 */
export function rejectedFramesEvent(context: EventContext, input: RejectedFramesInput): AuditEvent {
  const cause = check.label('cause', input.cause);
  return {
    ...envelope(context, 'sallyport.audit.frames_rejected'),
    data: {
      ...base(context, 6003, 6, 99, 'frames_rejected', 'refused', cause),
      actor: { app_name: 'unauthenticated' },
      api: api('frame.receive', 'gateway'),
      src_endpoint: endpoint(input.peer),
      count: check.count('count', input.count, 1, Number.MAX_SAFE_INTEGER),
      start_time: check.instant('interval.fromMs', input.interval.fromMs),
      end_time: check.instant('interval.toMs', input.interval.toMs),
      unmapped: { kind: 'frames_rejected', cause },
    },
  };
}

function decided(message: MessageDecision): DecidedMessage {
  return {
    seq: check.sequence('seq', message.seq),
    correlation: check.hex('correlation', message.correlation, 32),
    destination: check.text('destination', message.destination, MAX_DESTINATION_BYTES),
    action: check.label('action', message.action),
    decision: message.decision,
    reason: check.label('reason', message.reason),
    policy_revision: check.label('policyRevision', message.policyRevision),
    request_digest: check.hex('requestDigest', message.requestDigest, 64),
    ...operationRef(message.operation),
    ...traced(message.traceparent),
  };
}

function concluded(message: MessageOutcome): ConcludedMessage {
  return {
    seq: check.sequence('seq', message.seq),
    correlation: check.hex('correlation', message.correlation, 32),
    destination: check.text('destination', message.destination, MAX_DESTINATION_BYTES),
    action: check.label('action', message.action),
    outcome: message.outcome,
    status: check.label('status', message.status),
    ...(message.responseDigest === undefined
      ? {}
      : { response_digest: check.hex('responseDigest', message.responseDigest, 64) }),
    duration_ms: check.duration('durationMs', message.durationMs),
    ...operationRef(message.operation),
    ...traced(message.traceparent),
  };
}
