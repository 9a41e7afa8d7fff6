/**
 * One frame through the gateway (DESIGN.md section 3): opened and its signature verified, replay guard, decision,
 * **decision in the spool**, forward. Outcomes take the other half of the way (`outcomes.ts`): **outcome in the spool**,
 * then the response. No gRPC call and no synchronous I/O on this path.
 */
import { type Control, type MessageCause, type OpenedFrame, type RefusalCode } from '@sallyport/channel';
import type { MessageDecision } from '@sallyport/audit-log';
import type { Decision, DecisionRequest } from '@sallyport/policy-engine';
import { formatTraceparent } from '@sallyport/service/telemetry';
import type { Met } from '../domain/outcome.ts';
import { refusal, replyMessage } from '../domain/reply.ts';
import { createAnswers, RETRY_AFTER_MS } from './answers.ts';
import { createJudge } from './judge.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import {
  appendStep,
  endRouteStep,
  endTraces,
  sharedStep,
  traceDecisions,
  tracesIn,
  type MessageTrace,
  type MessageTraces,
} from './message-trace.ts';
import {
  claimOf,
  decisionOf,
  incomingOf,
  isAccepted,
  isAddressed,
  isClaimed,
  judgedAs,
  type Incoming,
} from './message.ts';
import type { Outcomes } from './outcomes.ts';
import type {
  FrameRefusal,
  GuardVerdict,
  ReceivedState,
  RecordVerdict,
  ReplayGuard,
  Route,
} from './ports.ts';
import type { FrameTicket } from './under-way.ts';

export type PipelinePorts = {
  readonly guard: Pick<ReplayGuard, 'admit' | 'conclude' | 'response'>;
  /** Synchronous and in process; never throws. */
  readonly decide: (request: DecisionRequest) => Decision;
  /** The revision in force, for the record of what policy was not asked about. */
  readonly policyRevision: () => string;
  readonly routes: ReadonlyMap<string, Route>;
  /** Durable when it resolves. At most 256 decisions. */
  readonly recordDecisions: (live: LiveSession, decisions: readonly MessageDecision[]) => Promise<void>;
  /** What was refused with nothing consumed: counted, not recorded one by one. */
  readonly countRefused: (peerAddress: string, cause: string) => void;
  readonly outcomes: Outcomes;
  readonly traces: MessageTraces;
  readonly metrics: PipelineMetrics;
  /** Gateway time, ms since the epoch, and a clock that never goes back. */
  readonly now: () => number;
  readonly monotonic: () => number;
  /** Told of what should be impossible; the session has been ended. */
  readonly onDefect: (error: unknown) => void;
  /** Sessions that end here may be resumed at another gateway. */
  readonly areSessionsLeft: boolean;
  /** Aborts when the gateway can wait no longer for answers. */
  readonly giveUp: AbortSignal;
};

export type Pipeline = {
  /** Opens the frame at once and says what is wrong with it; the rest goes on behind. Never throws. */
  onFrame(live: LiveSession, bytes: Uint8Array): MessageCause | undefined;
  /** The same for a frame that is open already. Never throws. */
  onOpened(live: LiveSession, frame: OpenedFrame): void;
  /** From now on no frame is taken: refused retryably, or its session told to go elsewhere. What is under way goes on. */
  stop(): void;
};

/**
 * From the guard's question to the forward. A gateway that was paused for longer may have been taken for dead, and what it
 * claimed been answered for by another (`guard/redis-pulse.ts`: 5 s after its last beat, beaten each second). What it has
 * not begun by then it leaves.
 */
const MAX_HELD_MS = 4_000;

const CLOSE_OF = {
  revoked: 'revoked',
  expired: 'expired',
  superseded: 'superseded',
  session_unknown: 'epoch_required',
  epoch_required: 'epoch_required',
} as const satisfies Record<FrameRefusal, RefusalCode>;

export function createPipeline(ports: PipelinePorts): Pipeline {
  const { guard, metrics } = ports;
  const judge = createJudge(ports);
  const answers = createAnswers(ports);
  let isStopping = false;

  const isRepeatable = (destination: string): boolean => ports.routes.get(destination)?.isIdempotent === true;

  async function run(
    live: LiveSession,
    frame: OpenedFrame,
    ticket: FrameTicket,
    receivedAtMs: number,
  ): Promise<void> {
    let all: readonly Incoming[] = [];
    try {
      all = incomingOf(frame, ports.traces.begin(live, frame, receivedAtMs));
      await admit(live, frame, all, ticket);
    } catch (error) {
      live.end('internal', 'defect');
      ticket.abandon();
      endTraces(all, 'defect');
      ports.onDefect(error);
    }
  }

  async function admit(
    live: LiveSession,
    frame: OpenedFrame,
    came: readonly Incoming[],
    ticket: FrameTicket,
  ): Promise<void> {
    const traces = tracesIn(came);
    const sinceMs = ports.monotonic();
    const verdict = await askGuard(live, came, traces);
    if (verdict === undefined) {
      // Undecided is refused, retryably, and nothing was consumed (DESIGN.md section 5).
      ticket.abandon();
      endTraces(came, 'guard_unavailable');
      refuseAll(live, frame, 'unavailable', 'guard_unavailable');
      if (live.sequences.areSpent) live.end('unavailable', 'guard_unavailable');
      return;
    }
    live.sequences.decided(frame.messages);
    if (verdict.kind === 'refused') {
      live.end(CLOSE_OF[verdict.cause], verdict.cause);
      return recordRefused(live, came, verdict.cause, ticket);
    }
    const { verdicts, received } = verdict;
    acknowledgeLater(live, came, verdicts, received);
    const all = judgedAs(came, verdicts);
    if (live.isOver) {
      // Its client may resume elsewhere and send them again: a claim that nobody works on would keep them waiting.
      await answers.release(
        live,
        all.filter(({ message }, index) => isClaimed(verdicts[index]) && isAddressed(message)),
      );
      return recordRefused(live, all, 'session_ended', ticket);
    }

    const decidingSinceMs = traces === undefined ? 0 : ports.traces.nowMs();
    const judged = judge(live, all, verdicts);
    if (traces !== undefined) traceDecisions(traces, judged.decisions, decidingSinceMs);
    if (await isRecorded(live, judged.decisions, traces)) {
      const respond = sharedStep(
        tracesIn(judged.refused.map(({ incoming }) => incoming)),
        'gateway.respond',
        'internal',
      );
      await answers.conclude(live, judged);
      respond?.end();
      if (ports.areSessionsLeft && ports.monotonic() - sinceMs > MAX_HELD_MS)
        live.end('unavailable', 'held_up');
      for (const incoming of judged.allowed) void forward(live, incoming, judged.policyRevision, ticket);
      ticket.settle(all.length - judged.allowed.length);
    } else {
      await answers.giveBack(live, judged);
      ticket.abandon();
    }
    for (const control of judged.controls) takeControl(live, control);
  }

  /** Undefined when the guard cannot tell. */
  async function askGuard(
    live: LiveSession,
    all: readonly Incoming[],
    traces: readonly MessageTrace[] | undefined,
  ): Promise<GuardVerdict | undefined> {
    const step = sharedStep(traces, 'guard.admit', 'client');
    const startedAt = ports.monotonic();
    try {
      const claims = all.map((incoming) =>
        claimOf(incoming, live.digestKey, isRepeatable(incoming.message.destination)),
      );
      const verdict = await guard.admit(live.guard, claims);
      step?.end();
      metrics.guardAnswered(ports.monotonic() - startedAt);
      return verdict;
    } catch {
      step?.end('unavailable');
      metrics.guardUnavailable();
      return undefined;
    }
  }

  async function isRecorded(
    live: LiveSession,
    decisions: readonly MessageDecision[],
    traces: readonly MessageTrace[] | undefined,
  ): Promise<boolean> {
    if (decisions.length === 0) return true;
    const append = appendStep(traces, decisions);
    try {
      await ports.recordDecisions(live, append.records);
      append.end();
      return true;
    } catch {
      append.end('unrecorded');
      // Nothing takes effect without a trace: what cannot be recorded is not done (DESIGN.md section 12).
      ports.countRefused(live.peerAddress, 'unrecorded');
      return false;
    }
  }

  /** Never rejects: whatever happens is an outcome. */
  async function forward(
    live: LiveSession,
    incoming: Incoming,
    policyRevision: string,
    ticket: FrameTicket,
  ): Promise<void> {
    const { message, correlation, trace } = incoming;
    const startedAt = ports.monotonic();
    const step = trace?.step('route.send', 'client', { 'messaging.destination.name': message.destination });
    let met: Met;
    try {
      const traceparent = step === undefined ? message.trace : formatTraceparent(step.context);
      met = await send(live, incoming, policyRevision, traceparent);
    } catch (error) {
      ports.onDefect(error);
      const detail = 'the gateway failed while the message was on its way';
      met = { kind: 'failure', reason: 'upstream_failed', status: 'defect', detail, isWithoutEffect: false };
    }
    endRouteStep(step, met);
    const durationMs = ports.monotonic() - startedAt;
    ports.outcomes.add(live, {
      message,
      correlation,
      ticket,
      met,
      durationMs,
      ...(trace === undefined ? {} : { trace }),
    });
  }

  function send(
    live: LiveSession,
    { message, correlation, digest, mayHaveRun }: Incoming,
    policyRevision: string,
    trace: string,
  ): Met | Promise<Met> {
    if (live.isOver) return mayHaveRun === true ? NOT_SENT_AGAIN : { kind: 'session_ended' };
    const route = ports.routes.get(message.destination);
    if (route === undefined) return { kind: 'no_route' };
    return route.send({
      destination: message.destination,
      sender: live.sender,
      idempotencyKey: `${live.id}-${correlation}`,
      principal: live.principal.id,
      tenant: live.principal.tenant,
      evidence: { sessionId: live.id, correlation, sequence: message.sequence, digest, policyRevision },
      contentType: message.contentType,
      body: message.payload,
      traceparent: trace === '' ? undefined : trace,
      signal: ports.giveUp,
    });
  }

  /** The session is over: nobody is answered, and the record says what came and why it was not taken. */
  async function recordRefused(
    live: LiveSession,
    all: readonly Incoming[],
    cause: string,
    ticket: FrameTicket,
  ): Promise<void> {
    const revision = ports.policyRevision();
    const refused = all.filter(({ message }) => message.kind !== 'control');
    await isRecorded(
      live,
      refused.map((incoming) => decisionOf(incoming, 'deny', cause, revision)),
      tracesIn(refused),
    );
    endTraces(all, cause);
    metrics.rejected(cause);
    ticket.abandon();
  }

  /**
   * Nothing was consumed: the same messages may come again. Of a resend that is not all: what was sent first may have been
   * done, so its client is told to ask again, and not that nothing happened.
   */
  function refuseAll(live: LiveSession, frame: OpenedFrame, code: RefusalCode, cause: string): void {
    ports.countRefused(live.peerAddress, cause);
    const detail = DETAIL_OF[cause] ?? '';
    const reply = refusal(code, detail, RETRY_AFTER_MS);
    const askAgain = refusal('running', detail, RETRY_AFTER_MS);
    const requests = frame.messages.filter(({ kind }) => kind === 'request');
    metrics.refused(code, requests.length);
    live.sequences.refused(frame.messages);
    live.outbox.push(
      requests.map(({ correlation, firstSentAtMs, trace }) =>
        replyMessage(correlation, firstSentAtMs === undefined ? reply : askAgain, trace),
      ),
    );
  }

  /** Its client was told, or will be, what became of the first; what the guard has not seen it could not refuse. */
  function refuseCopy(live: LiveSession, frame: OpenedFrame): void {
    ports.countRefused(live.peerAddress, 'replayed');
    metrics.rejected('replayed');
    const requests = frame.messages.filter(({ kind }) => kind === 'request');
    const reply = refusal('duplicate', '');
    live.outbox.push(requests.map(({ correlation, trace }) => replyMessage(correlation, reply, trace)));
  }

  /** Remembers what the guard accepted, for acknowledgements, and counts its verdicts. */
  function acknowledgeLater(
    live: LiveSession,
    all: readonly Incoming[],
    verdicts: readonly RecordVerdict[],
    received: ReceivedState,
  ): void {
    const accepted: number[] = [];
    const tally = new Map<RecordVerdict, number>();
    let owedThrough = 0;
    for (const [index, { message }] of all.entries()) {
      const verdict = verdicts[index] ?? 'duplicate';
      tally.set(verdict, (tally.get(verdict) ?? 0) + 1);
      if (!isAccepted(verdict)) continue;
      accepted.push(message.sequence);
      if (message.kind !== 'request' && message.kind !== 'control') owedThrough = message.sequence;
    }
    live.received(received, accepted, owedThrough);
    for (const [verdict, count] of tally) metrics.messages(verdict, count);
    if (accepted.length === 0) metrics.rejected(tally.has('too_far_ahead') ? 'too_far_ahead' : 'replayed');
  }

  function take(live: LiveSession, frame: OpenedFrame, bytes: number, receivedAtMs: number): void {
    metrics.frame();
    if (!live.sequences.take(frame.messages)) return refuseCopy(live, frame);
    if (isStopping) {
      // Where sessions outlive their gateway, another one takes this frame: its client resends what has no answer.
      if (ports.areSessionsLeft) return live.end('unavailable', 'gateway_stopping');
      return refuseAll(live, frame, 'unavailable', 'stopping');
    }
    const ticket = live.underWay.take(frame.messages.length, bytes);
    if (ticket === undefined) {
      refuseAll(live, frame, 'busy', 'too_much_under_way');
    } else if (ports.now() > live.leaseNotAfterMs) {
      live.end('epoch_required', 'lease_expired');
      recordRefused(live, incomingOf(frame), 'lease_expired', ticket).catch(ports.onDefect);
    } else {
      void run(live, frame, ticket, receivedAtMs);
    }
  }

  return {
    onFrame(live, bytes) {
      const receivedAtMs = ports.traces.nowMs();
      const frame = live.session.openFrame(bytes);
      if (!frame.ok) return frame.cause;
      take(live, frame, bytes.length, receivedAtMs);
      return undefined;
    },
    onOpened(live, frame) {
      const bytes = frame.messages.reduce((sum, { payload }) => sum + payload.length, 0);
      take(live, frame, bytes, ports.traces.nowMs());
    },
    stop() {
      isStopping = true;
    },
  };
}

/** What became of its first sending nobody knows: it is not free to be sent anew as if nothing had happened. */
const NOT_SENT_AGAIN: Met = {
  kind: 'failure',
  reason: 'upstream_failed',
  status: 'session_ended',
  detail: 'the session ended before it was sent once more; it may have been carried out before',
  isWithoutEffect: false,
};

const DETAIL_OF: Readonly<Record<string, string>> = {
  guard_unavailable: 'the replay guard cannot be asked',
  stopping: 'the gateway is stopping',
  too_much_under_way: 'too much is under way; wait for answers',
};

function takeControl(live: LiveSession, control: Control): void {
  if (control.kind === 'close') return live.detach('closed_by_client');
  // The end of a resume, judged where the session was taken on: its client waits to hear something.
  if (control.kind === 'finished') return live.greet();
  live.session.acknowledgeThrough(control.receivedThrough);
  live.outbox.flush();
}
