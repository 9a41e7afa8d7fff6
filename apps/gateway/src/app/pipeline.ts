/**
 * One frame through the gateway (DESIGN.md section 3): opened and its signature verified, replay guard, decision,
 * **decision in the spool**, forward. Outcomes take the other half of the way (`outcomes.ts`): **outcome in the spool**,
 * then the response. No gRPC call and no synchronous I/O on this path.
 */
import {
  parseControl,
  type MessageCause,
  type OpenedFrame,
  type OpenedMessage,
  type RefusalCode,
} from '@sallyport/channel';
import { sha256, toHex, utf8 } from '@sallyport/crypto';
import type { MessageDecision } from '@sallyport/audit-log';
import type { Decision, DecisionRequest } from '@sallyport/policy-engine';
import { parseTraceparent, type Tracer } from '@sallyport/service/telemetry';
import { decodeReply, refusal, replyMessage, type Reply } from '../domain/reply.ts';
import type { LiveSession } from './live-session.ts';
import type { Outcomes } from './outcomes.ts';
import type { GuardVerdict, RecordClaim, RecordVerdict, ReplayGuard, Route } from './ports.ts';
import type { PipelineMetrics } from './measure.ts';

export type PipelinePorts = {
  readonly guard: Pick<ReplayGuard, 'admit' | 'conclude' | 'response'>;
  readonly decide: (request: DecisionRequest) => Decision;
  /** The revision in force, for the record of what policy was not asked about. */
  readonly policyRevision: () => string;
  readonly routes: ReadonlyMap<string, Route>;
  readonly recordDecisions: (live: LiveSession, decisions: readonly MessageDecision[]) => Promise<void>;
  readonly outcomes: Outcomes;
  readonly tracer: Tracer;
  readonly metrics: PipelineMetrics;
  /** Gateway time, ms since the epoch, and a clock that never goes back. */
  readonly now: () => number;
  readonly monotonic: () => number;
};

export type FrameResult =
  { readonly kind: 'taken' } | { readonly kind: 'rejected'; readonly cause: MessageCause | 'replayed' };

export type Pipeline = {
  /** Opens the frame at once; the rest goes on behind. Never throws. */
  onFrame(live: LiveSession, bytes: Uint8Array): FrameResult | Promise<FrameResult>;
};

const ACTION = 'message.send';
const MAX_IN_FLIGHT = 1024;
const RETRY_AFTER_MS = 500;
const ADDRESSED = new Set(['request', 'notification']);

/** What is refused by the guard, and how the client hears of it. `duplicate` and `running` will be answered by the first. */
const REFUSAL_OF = {
  duplicate: 'duplicate',
  stale: 'stale',
  too_far_ahead: 'too_far_ahead',
  running: 'running',
  unknown: 'outcome_unknown',
  correlation_reuse: 'correlation_reuse',
  busy: 'busy',
} as const satisfies Partial<Record<RecordVerdict, RefusalCode>>;

type Admitted = { readonly message: OpenedMessage; readonly digest: string; readonly correlation: string };

export function createPipeline(ports: PipelinePorts): Pipeline {
  const { guard, metrics, tracer } = ports;

  async function process(live: LiveSession, frame: OpenedFrame): Promise<FrameResult> {
    const parent = parseTraceparent(frame.messages[0]?.trace ?? '');
    return tracer.span(
      'gateway.frame',
      { 'messaging.batch.message_count': frame.messages.length },
      () => admitAndForward(live, frame),
      { kind: 'consumer', ...(parent === undefined ? {} : { parent }) },
    );
  }

  async function admitAndForward(live: LiveSession, frame: OpenedFrame): Promise<FrameResult> {
    let verdict: GuardVerdict;
    try {
      verdict = await guard.admit(live.guard, frame.messages.map(claimOf));
    } catch {
      // Undecided is refused, retryably, and nothing was consumed (DESIGN.md section 5).
      metrics.guardUnavailable();
      refuseAll(live, frame, 'unavailable', 'the replay guard cannot be asked');
      return { kind: 'taken' };
    }
    if (verdict.kind === 'refused') {
      live.end(verdict.cause === 'revoked' ? 'revoked' : 'epoch_required', verdict.cause);
      return { kind: 'taken' };
    }
    const { verdicts, received } = verdict;
    const accepted = frame.messages.filter((_, index) => isAccepted(verdicts[index]));
    const needsAcknowledgement = accepted.some(({ kind }) => kind === 'notification');
    live.received(
      received,
      accepted.map(({ sequence }) => sequence),
      needsAcknowledgement,
    );
    await decideAndForward(live, frame, verdicts);
    const isReplay = verdicts.every((value) => value === 'duplicate' || value === 'stale');
    return isReplay ? { kind: 'rejected', cause: 'replayed' } : { kind: 'taken' };
  }

  async function decideAndForward(
    live: LiveSession,
    frame: OpenedFrame,
    verdicts: readonly RecordVerdict[],
  ): Promise<void> {
    const decisions: MessageDecision[] = [];
    const allowed: Admitted[] = [];
    const refused: { admitted: Admitted; reply: Reply; isNew: boolean }[] = [];
    const settled: number[] = [];
    for (const [index, message] of frame.messages.entries()) {
      const verdict = verdicts[index] ?? 'duplicate';
      metrics.message(verdict);
      if (!ADDRESSED.has(message.kind)) {
        if (isAccepted(verdict)) {
          settled.push(message.sequence);
          takeControl(live, message);
        }
        continue;
      }
      const admitted = admittedOf(frame, message, index);
      if (verdict === 'done') {
        decisions.push(decisionOf(admitted, 'deny', 'done', ports.policyRevision()));
        refused.push({ admitted, reply: await keptReply(live, admitted), isNew: false });
      } else if (verdict === 'new') {
        const { decision, reply } = decide(live, admitted);
        decisions.push(decision);
        if (reply === undefined) allowed.push(admitted);
        else refused.push({ admitted, reply, isNew: true });
      } else {
        decisions.push(decisionOf(admitted, 'deny', verdict, ports.policyRevision()));
        refused.push({ admitted, reply: refusal(REFUSAL_OF[verdict], ''), isNew: false });
      }
    }
    live.finished(settled);
    if (decisions.length === 0) return;
    try {
      await ports.recordDecisions(live, decisions);
    } catch {
      // Nothing takes effect without a trace: what cannot be recorded is not done (DESIGN.md section 12).
      await giveBack(live, allowed, refused);
      return;
    }
    await refuse(live, refused);
    for (const admitted of allowed) void forward(live, admitted);
  }

  function decide(
    live: LiveSession,
    admitted: Admitted,
  ): { decision: MessageDecision; reply: Reply | undefined } {
    const { destination } = admitted.message;
    const startedAt = ports.monotonic();
    const answer = ports.decide({
      principal: live.principal,
      action: ACTION,
      resource: { kind: 'destination', name: destination },
    });
    metrics.decided(answer.decision, ports.monotonic() - startedAt);
    const revision = String(answer.policyRevision);
    const decision = decisionOf(admitted, answer.decision, answer.reasons[0] ?? 'denied', revision);
    if (answer.decision === 'allow') return { decision, reply: undefined };
    const need = answer.requires.length === 0 ? '' : `; it would need ${answer.requires.join(' or ')}`;
    const detail = `${live.principal.id} may not send to "${destination}" under policy revision ${revision}${need}`;
    return { decision, reply: refusal('denied', detail) };
  }

  async function forward(live: LiveSession, admitted: Admitted): Promise<void> {
    const { message, correlation } = admitted;
    const route = ports.routes.get(message.destination);
    const startedAt = ports.monotonic();
    const result =
      route === undefined
        ? undefined
        : await route.send({
            destination: message.destination,
            idempotencyKey: `${live.id}-${correlation}`,
            principal: live.principal.id,
            contentType: message.contentType,
            body: message.payload,
            traceparent: message.trace === '' ? undefined : message.trace,
            signal: live.ended.signal,
          });
    const durationMs = ports.monotonic() - startedAt;
    ports.outcomes.add(live, { message, correlation, result, durationMs });
  }

  async function keptReply(live: LiveSession, { correlation }: Admitted): Promise<Reply> {
    const kept = await guard.response(live.guard, correlation).catch(() => undefined);
    const reply = kept === undefined ? undefined : decodeReply(kept);
    return reply ?? refusal('response_lost', 'it was carried out; its response is no longer kept');
  }

  async function refuse(
    live: LiveSession,
    refused: readonly { admitted: Admitted; reply: Reply; isNew: boolean }[],
  ): Promise<void> {
    if (refused.length === 0) return;
    const released = refused.filter(({ isNew }) => isNew);
    if (released.length > 0) {
      await guard
        .conclude(
          live.guard,
          released.map(({ admitted }) => ({
            correlation: admitted.correlation,
            state: 'released',
            response: undefined,
          })),
        )
        .catch(() => metrics.guardUnavailable());
    }
    live.finished(refused.map(({ admitted }) => admitted.message.sequence));
    const wanted = refused.filter(({ admitted }) => admitted.message.kind === 'request');
    live.outbox.push(
      wanted.map(({ admitted, reply }) =>
        replyMessage(admitted.message.correlation, reply, admitted.message.trace),
      ),
    );
  }

  async function giveBack(
    live: LiveSession,
    allowed: readonly Admitted[],
    refused: readonly { admitted: Admitted; isNew: boolean }[],
  ): Promise<void> {
    const reply = refusal(
      'unavailable',
      'the decision could not be recorded, so nothing was done',
      RETRY_AFTER_MS,
    );
    const all = [...allowed.map((admitted) => ({ admitted, isNew: true })), ...refused];
    await refuse(
      live,
      all.map(({ admitted, isNew }) => ({ admitted, reply, isNew })),
    );
  }

  return {
    onFrame(live, bytes) {
      const opened = live.session.openFrame(bytes);
      if (!opened.ok) return { kind: 'rejected', cause: opened.cause };
      metrics.frame();
      if (live.ended.signal.aborted) return { kind: 'taken' };
      if (ports.now() > live.leaseNotAfterMs) {
        live.end('epoch_required', 'lease_expired');
        return { kind: 'taken' };
      }
      if (live.inFlight + opened.messages.length > MAX_IN_FLIGHT) {
        refuseAll(live, opened, 'busy', `more than ${MAX_IN_FLIGHT} messages are under way in this session`);
        return { kind: 'taken' };
      }
      return process(live, opened);
    },
  };
}

/** Accepted by the guard: its sequence is used, whatever becomes of its request. */
function isAccepted(verdict: RecordVerdict | undefined): boolean {
  return (
    verdict !== undefined && verdict !== 'duplicate' && verdict !== 'stale' && verdict !== 'too_far_ahead'
  );
}

function claimOf(message: OpenedMessage): RecordClaim {
  const { sequence: seq, nonce } = message;
  if (!ADDRESSED.has(message.kind)) return { seq, nonce };
  // All three are printable ASCII or bytes at the end: a NUL separates them unambiguously.
  const digest = sha256(utf8(`${message.destination}\0${message.contentType}\0`), message.payload);
  return { seq, nonce, request: { correlation: toHex(message.correlation), digest } };
}

function admittedOf(frame: OpenedFrame, message: OpenedMessage, index: number): Admitted {
  const digest = toHex(frame.proof.sealedDigests[index] ?? new Uint8Array());
  return { message, digest, correlation: toHex(message.correlation) };
}

function decisionOf(
  { message, digest, correlation }: Admitted,
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
    reason,
    policyRevision,
    requestDigest: digest,
  };
}

function refuseAll(live: LiveSession, frame: OpenedFrame, code: RefusalCode, detail: string): void {
  const reply = refusal(code, detail, RETRY_AFTER_MS);
  const requests = frame.messages.filter(({ kind }) => kind === 'request');
  live.outbox.push(requests.map((message) => replyMessage(message.correlation, reply, message.trace)));
}

function takeControl(live: LiveSession, message: OpenedMessage): void {
  if (message.kind !== 'control') return;
  const control = parseControl(message.payload);
  if (!control.ok) return;
  if (control.control.kind === 'ack') {
    live.session.acknowledgeThrough(control.control.receivedThrough);
    live.outbox.flush();
  } else {
    live.detach('closed_by_client');
  }
}
