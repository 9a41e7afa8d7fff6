/**
 * One frame through the gateway (DESIGN.md section 3): opened and its signature verified, replay guard, decision,
 * **decision in the spool**, forward. Outcomes take the other half of the way (`outcomes.ts`): **outcome in the spool**,
 * then the response. No gRPC call and no synchronous I/O on this path.
 */
import {
  parseControl,
  type Control,
  type MessageCause,
  type OpenedFrame,
  type RefusalCode,
} from '@sallyport/channel';
import type { MessageDecision } from '@sallyport/audit-log';
import type { Decision, DecisionRequest } from '@sallyport/policy-engine';
import { parseTraceparent, type Tracer } from '@sallyport/service/telemetry';
import type { Met } from '../domain/outcome.ts';
import { decodeReply, encodeReply, refusal, replyMessage, type Reply } from '../domain/reply.ts';
import type { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import {
  ACTION,
  claimOf,
  decisionOf,
  incomingOf,
  isAccepted,
  isAddressed,
  type Incoming,
} from './message.ts';
import type { Outcomes } from './outcomes.ts';
import type {
  ConcludedRequest,
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
  readonly tracer: Tracer;
  readonly metrics: PipelineMetrics;
  /** Gateway time, ms since the epoch, and a clock that never goes back. */
  readonly now: () => number;
  readonly monotonic: () => number;
  /** Told of what should be impossible; the session has been ended. */
  readonly onDefect: (error: unknown) => void;
  /** Aborts when the gateway can wait no longer for answers. */
  readonly giveUp: AbortSignal;
};

export type Pipeline = {
  /** Opens the frame at once and says what is wrong with it; the rest goes on behind. Never throws. */
  onFrame(live: LiveSession, bytes: Uint8Array): MessageCause | undefined;
  /** From now on frames are refused, retryably; what is under way goes on. */
  stop(): void;
};

const RETRY_AFTER_MS = 500;

/** How the client hears of what the guard refused. `duplicate` and `running` will be answered by the first. */
const REFUSAL_OF = {
  duplicate: 'duplicate',
  stale: 'stale',
  too_far_ahead: 'too_far_ahead',
  running: 'running',
  unknown: 'outcome_unknown',
  correlation_reuse: 'correlation_reuse',
  busy: 'busy',
} as const satisfies Record<Exclude<RecordVerdict, 'new' | 'done'>, RefusalCode>;

const CLOSE_OF = {
  revoked: 'revoked',
  expired: 'expired',
  superseded: 'superseded',
  session_unknown: 'epoch_required',
  epoch_required: 'epoch_required',
} as const satisfies Record<FrameRefusal, RefusalCode>;

/** Answered without being forwarded; `kept`: with the response that the ledger holds. */
type Refused = { readonly incoming: Incoming; readonly reply: Reply | 'kept'; readonly isClaimed: boolean };

type Judged = {
  readonly decisions: MessageDecision[];
  readonly allowed: Incoming[];
  readonly refused: Refused[];
  /** Accepted and not forwarded: final as soon as the decisions are recorded. */
  readonly settled: number[];
  readonly controls: Control[];
};

const CONSUMER = { kind: 'consumer' } as const;

export function createPipeline(ports: PipelinePorts): Pipeline {
  const { guard, metrics, tracer } = ports;
  let isStopping = false;

  async function run(live: LiveSession, frame: OpenedFrame, ticket: FrameTicket): Promise<void> {
    try {
      const parent = parseTraceparent(frame.messages[0]?.trace);
      await tracer.span(
        'gateway.frame',
        { 'messaging.batch.message_count': frame.messages.length },
        () => admit(live, frame, ticket),
        parent === undefined ? CONSUMER : { kind: 'consumer', parent },
      );
    } catch (error) {
      live.end('internal', 'defect');
      ticket.abandon();
      ports.onDefect(error);
    }
  }

  async function admit(live: LiveSession, frame: OpenedFrame, ticket: FrameTicket): Promise<void> {
    const all = incomingOf(frame);
    let verdict: GuardVerdict;
    try {
      verdict = await guard.admit(live.guard, all.map(claimOf));
    } catch {
      // Undecided is refused, retryably, and nothing was consumed (DESIGN.md section 5).
      metrics.guardUnavailable();
      ticket.abandon();
      return refuseAll(live, frame, 'unavailable', 'guard_unavailable');
    }
    if (verdict.kind === 'refused') {
      live.end(CLOSE_OF[verdict.cause], verdict.cause);
      return recordRefused(live, all, verdict.cause, ticket);
    }
    const { verdicts, received } = verdict;
    acknowledgeLater(live, all, verdicts, received);
    if (live.isOver) return recordRefused(live, all, 'session_ended', ticket);

    const judged = judge(live, all, verdicts);
    if (await isRecorded(live, judged.decisions)) {
      await conclude(live, judged);
      for (const incoming of judged.allowed) void forward(live, incoming, ticket);
      ticket.settle(all.length - judged.allowed.length);
    } else {
      await giveBack(live, judged);
      ticket.abandon();
    }
    for (const control of judged.controls) takeControl(live, control);
  }

  /** Everything that needs no waiting: what is allowed, what is not, and how its sender hears of it. */
  function judge(live: LiveSession, all: readonly Incoming[], verdicts: readonly RecordVerdict[]): Judged {
    const judged: Judged = { decisions: [], allowed: [], refused: [], settled: [], controls: [] };
    const startedAt = ports.monotonic();
    const revision = ports.policyRevision();
    let denied = 0;
    for (const [index, incoming] of all.entries()) {
      // The guard answers for every record; if ever it did not, the record was not admitted.
      const verdict = verdicts[index] ?? 'duplicate';
      if (isAccepted(verdict) && !isAddressed(incoming.message)) {
        const problem = controlProblem(incoming, judged.controls);
        if (problem !== undefined) judged.decisions.push(decisionOf(incoming, 'deny', problem, revision));
        judged.settled.push(incoming.message.sequence);
      } else if (verdict === 'new') {
        const { decision, reply } = decide(live, incoming);
        judged.decisions.push(decision);
        if (reply === undefined) judged.allowed.push(incoming);
        else {
          denied += 1;
          judged.refused.push({ incoming, reply, isClaimed: true });
          judged.settled.push(incoming.message.sequence);
        }
      } else {
        judged.decisions.push(decisionOf(incoming, 'deny', verdict, revision));
        const reply = verdict === 'done' ? 'kept' : refusal(REFUSAL_OF[verdict], '');
        judged.refused.push({ incoming, reply, isClaimed: false });
        if (isAccepted(verdict)) judged.settled.push(incoming.message.sequence);
      }
    }
    metrics.decided(judged.allowed.length, denied, ports.monotonic() - startedAt);
    return judged;
  }

  function decide(live: LiveSession, incoming: Incoming): { decision: MessageDecision; reply?: Reply } {
    const { destination } = incoming.message;
    const answer = ports.decide({
      principal: live.principal,
      action: ACTION,
      resource: { kind: 'destination', name: destination },
    });
    const revision = String(answer.policyRevision);
    const isAllowed = answer.decision === 'allow';
    const reason = answer.reasons[0] ?? (isAllowed ? 'allowed' : 'denied');
    const decision = decisionOf(incoming, answer.decision, reason, revision);
    if (isAllowed) return { decision };
    const need = answer.requires.length === 0 ? '' : `; it would need ${answer.requires.join(' or ')}`;
    const detail = `${live.principal.id} may not send to "${destination}" under policy revision ${revision}${need}`;
    return { decision, reply: refusal('denied', detail) };
  }

  async function isRecorded(live: LiveSession, decisions: readonly MessageDecision[]): Promise<boolean> {
    if (decisions.length === 0) return true;
    try {
      await ports.recordDecisions(live, decisions);
      return true;
    } catch {
      // Nothing takes effect without a trace: what cannot be recorded is not done (DESIGN.md section 12).
      ports.countRefused(live.peerAddress, 'unrecorded');
      return false;
    }
  }

  /** Never rejects: whatever happens is an outcome. */
  async function forward(live: LiveSession, incoming: Incoming, ticket: FrameTicket): Promise<void> {
    const { message, correlation } = incoming;
    const startedAt = ports.monotonic();
    let met: Met;
    try {
      met = await send(live, incoming);
    } catch (error) {
      ports.onDefect(error);
      const detail = 'the gateway failed while the message was on its way';
      met = { kind: 'failure', reason: 'upstream_failed', status: 'defect', detail, isWithoutEffect: false };
    }
    const durationMs = ports.monotonic() - startedAt;
    ports.outcomes.add(live, { message, correlation, ticket, met, durationMs });
  }

  function send(live: LiveSession, { message, correlation }: Incoming): Met | Promise<Met> {
    if (live.isOver) return { kind: 'session_ended' };
    const route = ports.routes.get(message.destination);
    if (route === undefined) return { kind: 'no_route' };
    return route.send({
      destination: message.destination,
      idempotencyKey: `${live.id}-${correlation}`,
      principal: live.principal.id,
      contentType: message.contentType,
      body: message.payload,
      traceparent: message.trace === '' ? undefined : message.trace,
      signal: ports.giveUp,
    });
  }

  /** After the record: what was refused is final, and its sender hears of it. */
  async function conclude(live: LiveSession, { refused, settled }: Judged): Promise<void> {
    const answers: { incoming: Incoming; reply: Reply }[] = [];
    const claimed: ConcludedRequest[] = [];
    for (const { incoming, reply, isClaimed } of refused) {
      const { correlation } = incoming;
      const answer = reply === 'kept' ? await keptReply(live, correlation) : reply;
      if (isClaimed) claimed.push({ correlation, state: 'done', response: encodeReply(answer) });
      answers.push({ incoming, reply: answer });
    }
    await concludeClaims(live, claimed);
    if (settled.length > 0) live.finished(settled);
    if (refused.length > 0 || settled.length > 0) answer(live, answers);
  }

  /** Nothing of the frame was done, and all of it may be sent anew. */
  async function giveBack(live: LiveSession, { allowed, refused, settled }: Judged): Promise<void> {
    const unrecorded = refusal(
      'unavailable',
      'the decision could not be recorded, so nothing was done',
      RETRY_AFTER_MS,
    );
    const claimed = [...allowed, ...refused.flatMap((each) => (each.isClaimed ? [each.incoming] : []))];
    await concludeClaims(
      live,
      claimed.map(({ correlation }) => ({ correlation, state: 'released', response: undefined })),
    );
    live.finished([...settled, ...allowed.map(({ message }) => message.sequence)]);
    answer(live, [
      ...allowed.map((incoming) => ({ incoming, reply: unrecorded })),
      // A duplicate goes on waiting for the first of its kind.
      ...refused.map(({ incoming, reply, isClaimed }) => ({
        incoming,
        reply: isClaimed || reply === 'kept' ? unrecorded : reply,
      })),
    ]);
  }

  async function concludeClaims(live: LiveSession, claims: readonly ConcludedRequest[]): Promise<void> {
    if (claims.length === 0) return;
    try {
      await guard.conclude(live.guard, claims);
    } catch {
      metrics.guardUnavailable();
    }
  }

  async function keptReply(live: LiveSession, correlation: string): Promise<Reply> {
    try {
      const kept = await guard.response(live.guard, correlation);
      const reply = kept === undefined ? undefined : decodeReply(kept);
      if (reply !== undefined) return reply;
    } catch {
      metrics.guardUnavailable();
    }
    return refusal('response_lost', 'it was carried out; its response is no longer kept');
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
    );
    metrics.rejected(cause);
    ticket.abandon();
  }

  /** Nothing was consumed: the same messages may come again. */
  function refuseAll(live: LiveSession, frame: OpenedFrame, code: RefusalCode, cause: string): void {
    ports.countRefused(live.peerAddress, cause);
    const reply = refusal(code, DETAIL_OF[cause] ?? '', RETRY_AFTER_MS);
    const requests = frame.messages.filter(({ kind }) => kind === 'request');
    live.outbox.push(requests.map((message) => replyMessage(message.correlation, reply, message.trace)));
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

  return {
    onFrame(live, bytes) {
      const frame = live.session.openFrame(bytes);
      if (!frame.ok) return frame.cause;
      metrics.frame();
      if (isStopping) {
        refuseAll(live, frame, 'unavailable', 'stopping');
        return undefined;
      }
      const ticket = live.underWay.take(frame.messages.length, bytes.length);
      if (ticket === undefined) {
        refuseAll(live, frame, 'busy', 'too_much_under_way');
      } else if (ports.now() > live.leaseNotAfterMs) {
        live.end('epoch_required', 'lease_expired');
        recordRefused(live, incomingOf(frame), 'lease_expired', ticket).catch(ports.onDefect);
      } else {
        void run(live, frame, ticket);
      }
      return undefined;
    },
    stop() {
      isStopping = true;
    },
  };
}

const DETAIL_OF: Readonly<Record<string, string>> = {
  guard_unavailable: 'the replay guard cannot be asked',
  stopping: 'the gateway is stopping',
  too_much_under_way: 'too much is under way; wait for answers',
};

function answer(live: LiveSession, answers: readonly { incoming: Incoming; reply: Reply }[]): void {
  const wanted = answers.filter(({ incoming }) => incoming.message.kind === 'request');
  live.outbox.push(
    wanted.map(({ incoming: { message }, reply }) => replyMessage(message.correlation, reply, message.trace)),
  );
}

/** Adds a control message to `controls`, or says why it is none. */
function controlProblem({ message }: Incoming, controls: Control[]): string | undefined {
  if (message.kind !== 'control') return 'unexpected_kind';
  const parsed = parseControl(message.payload);
  if (!parsed.ok) return 'bad_control';
  controls.push(parsed.control);
  return undefined;
}

function takeControl(live: LiveSession, control: Control): void {
  if (control.kind === 'close') return live.detach('closed_by_client');
  live.session.acknowledgeThrough(control.receivedThrough);
  live.outbox.flush();
}
