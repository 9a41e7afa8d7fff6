/**
 * The traces of messages on their way through the gateway (docs/adr/0070): one span for a traced message and one for each
 * step, also for steps that it shares with the rest of its frame. What is not traced costs nothing below `begin`.
 *
 * The trace field is unsigned advice: it chooses what is looked at and never what is done.
 */
import type { OpenedFrame, OpenedMessage } from '@sallyport/channel';
import type { MessageDecision } from '@sallyport/audit-log';
import {
  formatTraceparent,
  parseTraceparent,
  type Attributes,
  type OpenSpan,
  type SpanKind,
  type TraceContext,
  type Tracer,
} from '@sallyport/service/telemetry';
import type { Met } from '../domain/outcome.ts';
import { tokenBucket, type TokenBucket } from '../domain/token-bucket.ts';

export type MessageTrace = {
  /** Of the message's own span. */
  readonly traceparent: string;
  /** A step below it, to be ended by the caller. */
  step(name: string, kind: SpanKind, attributes?: Attributes, startedAtMs?: number): OpenSpan;
  /** Idempotent. `failure`: a short code, when the message came to nothing. */
  end(attributes: Attributes, failure?: string): void;
};

export type MessageTraces = {
  /** For `begin`; 0 when nothing is ever traced. */
  nowMs(): number;
  /** By index; undefined when none of the frame's messages is traced, which is the rule. */
  begin(live: TracedSession, frame: OpenedFrame, receivedAtMs: number): FrameTraces | undefined;
};

export type FrameTraces = ReadonlyMap<number, MessageTrace>;
type TracedSession = { readonly id: string };

export type MessageTracesPorts = {
  readonly tracer: Tracer;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  /** 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** Messages that asked for a trace and were carried out without. */
  readonly onRefused: (count: number) => void;
};

/** What one frame, one session and the whole gateway may have traced, whatever the clients ask for. */
export const TRACE_LIMITS = {
  perFrame: 32,
  session: { perSecond: 20, burst: 40 },
  gateway: { perSecond: 200, burst: 400 },
} as const;

export const UNTRACED: MessageTraces = { nowMs: () => 0, begin: () => undefined };

export function createMessageTraces(ports: MessageTracesPorts): MessageTraces {
  const { tracer, monotonic, random } = ports;
  if (!tracer.isRecording) return UNTRACED;
  const share = tracer.newTraceShare;
  const all = tokenBucket(TRACE_LIMITS.gateway, monotonic);
  const ofSession = new WeakMap<TracedSession, TokenBucket>();
  let untilChosen = nextChosen(share, random);

  /** Whether the gateway itself begins a trace with the next message. */
  function isChosen(): boolean {
    untilChosen -= 1;
    if (untilChosen >= 0) return false;
    untilChosen = nextChosen(share, random);
    return true;
  }

  function mayTrace(live: TracedSession): boolean {
    let own = ofSession.get(live);
    if (own === undefined) ofSession.set(live, (own = tokenBucket(TRACE_LIMITS.session, monotonic)));
    return own.take() && all.take();
  }

  return {
    nowMs: () => tracer.nowMs(),
    begin(live, { messages }, receivedAtMs) {
      const isOneChosen = untilChosen < messages.length;
      if (!isOneChosen) untilChosen -= messages.length;
      let traces: Map<number, MessageTrace> | undefined;
      let refused = 0;
      for (const [index, message] of messages.entries()) {
        const isOwn = isOneChosen && isChosen();
        if (message.kind === 'control' || (!isOwn && !mayAsk(message.trace))) continue;
        const parent = parseTraceparent(message.trace);
        if (parent === undefined ? !isOwn : !parent.sampled) continue;
        if ((traces?.size ?? 0) >= TRACE_LIMITS.perFrame || !mayTrace(live)) {
          refused += 1;
          continue;
        }
        traces ??= new Map();
        traces.set(
          index,
          beginTrace(tracer, { live, message, count: messages.length, parent, receivedAtMs }),
        );
      }
      if (refused > 0) ports.onRefused(refused);
      return traces;
    },
  };
}

/** Version 00, as everybody writes it: its length, and the digit with the flag `sampled` (section 3.2.2.5). */
const LENGTH = 55;
const UNSAMPLED_DIGIT = /[02468ace]$/u;

/** False for what surely asks for nothing; far cheaper than to parse it, and most of what comes. */
function mayAsk(trace: string): boolean {
  return trace !== '' && !(trace.length === LENGTH && UNSAMPLED_DIGIT.test(trace));
}

/** How many messages go by before the next that is chosen, so that each is with probability `share`. */
function nextChosen(share: number, random: () => number): number {
  if (share <= 0) return Infinity;
  if (share >= 1) return 0;
  return Math.floor(Math.log(1 - random()) / Math.log(1 - share));
}

function beginTrace(
  tracer: Tracer,
  input: {
    readonly live: TracedSession;
    readonly message: OpenedMessage;
    readonly count: number;
    readonly parent: TraceContext | undefined;
    readonly receivedAtMs: number;
  },
): MessageTrace {
  const { live, message, count, parent, receivedAtMs } = input;
  const span = tracer.start(
    'gateway.message',
    {
      'messaging.destination.name': message.destination,
      'messaging.message.body.size': message.payload.length,
      'messaging.batch.message_count': count,
      'sallyport.session_id': live.id,
      'sallyport.sequence': message.sequence,
      'sallyport.correlation': Buffer.from(message.correlation).toString('hex'),
    },
    {
      kind: 'server',
      startedAtMs: receivedAtMs,
      ...(parent === undefined ? { parent: null, isChosen: true } : { parent }),
    },
  );
  const { context } = span;
  const step: MessageTrace['step'] = (name, kind, attributes = {}, startedAtMs) =>
    tracer.start(name, attributes, {
      kind,
      parent: context,
      ...(startedAtMs === undefined ? {} : { startedAtMs }),
    });
  step('channel.open', 'internal', {}, receivedAtMs).end();
  return {
    traceparent: formatTraceparent(context),
    step,
    end(attributes, failure) {
      span.set(attributes);
      if (failure !== undefined) span.fail(failure);
      span.end();
    },
  };
}

/** Those of the traced ones among these; undefined for none. */
export function tracesIn(items: readonly { readonly trace?: MessageTrace }[]): MessageTrace[] | undefined {
  let found: MessageTrace[] | undefined;
  for (const { trace } of items) if (trace !== undefined) (found ??= []).push(trace);
  return found;
}

export type SharedStep = {
  /** `failure`: a short code. */
  end(failure?: string): void;
};

/** The same step in each of these traces; undefined for none. */
export function sharedStep(
  traces: readonly MessageTrace[] | undefined,
  name: string,
  kind: SpanKind,
): SharedStep | undefined {
  if (traces === undefined) return undefined;
  const spans = traces.map((trace) => trace.step(name, kind));
  return {
    end(failure) {
      for (const span of spans) {
        if (failure !== undefined) span.fail(failure);
        span.end();
      }
    },
  };
}

type Traceable = { readonly traceparent?: string };

/**
 * The writing of records as a step of the traces they belong to. From then on a record bears the context of that step,
 * so that its way to the log hangs below it.
 */
export function appendStep<R extends Traceable>(
  traces: readonly MessageTrace[] | undefined,
  records: readonly R[],
): { readonly records: readonly R[] } & SharedStep {
  if (traces === undefined) return { records, end: () => undefined };
  const spans = new Map(
    traces.map((trace) => [trace.traceparent, trace.step('audit.append', 'internal')] as const),
  );
  return {
    records: records.map((record) => {
      const span = spans.get(record.traceparent ?? '');
      return span === undefined ? record : { ...record, traceparent: formatTraceparent(span.context) };
    }),
    end(failure) {
      for (const span of spans.values()) {
        if (failure !== undefined) span.fail(failure);
        span.end();
      }
    },
  };
}

/** What policy said of each, as a step of its trace. */
export function traceDecisions(
  traces: readonly MessageTrace[],
  decisions: readonly MessageDecision[],
  startedAtMs: number,
): void {
  for (const trace of traces) {
    const said = decisions.find(({ traceparent }) => traceparent === trace.traceparent);
    if (said === undefined) continue;
    const { decision, reason, policyRevision } = said;
    trace
      .step(
        'policy.decide',
        'internal',
        {
          'sallyport.decision': decision,
          'sallyport.reason': reason,
          'sallyport.policy_revision': policyRevision,
        },
        startedAtMs,
      )
      .end();
  }
}

export function endRouteStep(step: OpenSpan | undefined, met: Met): void {
  if (step === undefined) return;
  const status = met.kind === 'response' || met.kind === 'failure' ? met.status : met.kind;
  step.set({ 'sallyport.status': status });
  if (met.kind === 'failure') step.fail(met.reason);
  step.end();
}

/** All that are still open. */
export function endTraces(all: readonly { readonly trace?: MessageTrace }[], failure: string): void {
  for (const { trace } of all) trace?.end({ 'sallyport.outcome': 'refused' }, failure);
}
