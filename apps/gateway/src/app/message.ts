/** A message of a verified frame in the pipeline's own words. Pure. */
import type { KeyObject } from 'node:crypto';
import type { OpenedFrame, OpenedMessage } from '@sallyport/channel';
import type { MessageDecision } from '@sallyport/audit-log';
import { hmacSha256, toHex, utf8 } from '@sallyport/crypto';
import { auditLabel } from '../domain/label.ts';
import type { FrameTraces, MessageTrace } from './message-trace.ts';
import type { RecordClaim, RecordVerdict } from './ports.ts';

export const ACTION = 'message.send';

export type Incoming = {
  readonly message: OpenedMessage;
  /** Hex. */
  readonly correlation: string;
  /** Of the sealed content, as the frame's signature covers it; hex. */
  readonly digest: string;
  /** A gateway that died had begun on it, nobody knows how far. */
  readonly mayHaveRun?: true;
  /** Of a message that is traced. */
  readonly trace?: MessageTrace;
};

export function incomingOf(frame: OpenedFrame, traces?: FrameTraces): Incoming[] {
  return frame.messages.map((message, index) => {
    const incoming = {
      message,
      correlation: toHex(message.correlation),
      digest: toHex(frame.proof.sealedDigests[index] ?? new Uint8Array(1)),
    };
    const trace = traces?.get(index);
    return trace === undefined ? incoming : { ...incoming, trace };
  });
}

/** What the guard's verdicts add to them. */
export function judgedAs(all: readonly Incoming[], verdicts: readonly RecordVerdict[]): readonly Incoming[] {
  if (!verdicts.includes('taken_over')) return all;
  return all.map((each, index) => (verdicts[index] === 'taken_over' ? { ...each, mayHaveRun: true } : each));
}

/** Claimed for this gateway by this admission. */
export function isClaimed(verdict: RecordVerdict | undefined): boolean {
  return verdict === 'new' || verdict === 'taken_over';
}

/** Whether it asks for an effect at its destination. */
export function isAddressed({ kind }: OpenedMessage): boolean {
  return kind === 'request' || kind === 'notification';
}

/**
 * What the replay guard is asked: a request is known again by its kind, destination, content type and content.
 * `isRepeatable`: whether its route would recognise it.
 */
export function claimOf(
  { message, correlation }: Incoming,
  digestKey: KeyObject,
  isRepeatable: boolean,
): RecordClaim {
  const { sequence: seq, nonce, kind, destination, contentType, payload, firstSentAtMs } = message;
  if (!isAddressed(message)) return { seq, nonce };
  // Printable ASCII before, arbitrary bytes at the end: a NUL separates them unambiguously.
  const digest = hmacSha256(digestKey, utf8(`${kind}\0${destination}\0${contentType}\0`), payload);
  const request = { correlation, digest, isRepeatable };
  return { seq, nonce, request: firstSentAtMs === undefined ? request : { ...request, firstSentAtMs } };
}

/** Accepted by the guard: its sequence is used, whatever becomes of its request. */
export function isAccepted(verdict: RecordVerdict): boolean {
  return verdict !== 'duplicate' && verdict !== 'stale' && verdict !== 'too_far_ahead';
}

export function decisionOf(
  { message, correlation, digest, trace }: Incoming,
  decision: 'allow' | 'deny',
  reason: string,
  policyRevision: string,
): MessageDecision {
  return {
    seq: BigInt(message.sequence),
    correlation,
    destination: message.destination,
    action: ACTION,
    decision,
    reason: auditLabel(reason, decision),
    policyRevision,
    requestDigest: digest,
    ...(trace === undefined ? {} : { traceparent: trace.traceparent }),
  };
}
