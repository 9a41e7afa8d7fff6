/** What the pipeline counts (DESIGN.md section 13). Labels come from closed sets. */
import type { RefusalCode } from '@sallyport/channel';
import type { Metrics } from '@sallyport/service/metrics';
import type { RecordVerdict } from './ports.ts';

export type PipelineMetrics = {
  frame(): void;
  messages(verdict: RecordVerdict, count: number): void;
  /** The decisions of one frame, and how long all of them took. */
  decided(allowed: number, denied: number, ms: number): void;
  /** Messages with that outcome whose record was written together. */
  concluded(outcome: 'success' | 'failure' | 'refused' | 'unknown', count: number, slowestMs: number): void;
  rejected(cause: string): void;
  handshake(result: string): void;
  guardUnavailable(): void;
  /** How long the replay guard took for a frame. */
  guardAnswered(ms: number): void;
  /** Refusals that leave for clients; undefined counts for none: it was kept from an earlier answer. */
  refused(code: RefusalCode | undefined, count?: number): void;
  /** Messages that asked for a trace and were carried out without. */
  tracesRefused(count: number): void;
};

const DECISION_BUCKETS = [0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002, 0.01] as const;
const GUARD_BUCKETS = [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.02, 0.1, 0.5, 2] as const;
const FORWARD_BUCKETS = [0.000_5, 0.002, 0.01, 0.05, 0.2, 1, 5, 30] as const;
const MS_PER_SECOND = 1000;

export function pipelineMetrics(
  metrics: Metrics,
  gauges: {
    readonly sessions: () => number;
    readonly inFlight: () => number;
    readonly policyRevision: () => number;
  },
): PipelineMetrics {
  const frames = metrics.counter({ name: 'frames_total', help: 'Frames whose signature was verified' });
  const messages = metrics.counter({
    name: 'messages_total',
    help: 'Messages by what the replay guard said',
    labels: ['verdict'],
  });
  const decisions = metrics.counter({
    name: 'decisions_total',
    help: 'Policy decisions on messages',
    labels: ['decision'],
  });
  const decisionTime = metrics.histogram({
    name: 'decision_seconds',
    help: 'Policy decisions of one frame, together',
    buckets: DECISION_BUCKETS,
  });
  const outcomes = metrics.counter({
    name: 'outcomes_total',
    help: 'Allowed messages by what came of them',
    labels: ['outcome'],
  });
  const forwardTime = metrics.histogram({
    name: 'forward_seconds',
    help: 'From the recorded decision to the answer of the route: the slowest of the messages recorded together',
    labels: ['outcome'],
    buckets: FORWARD_BUCKETS,
  });
  const rejected = metrics.counter({
    name: 'frames_rejected_total',
    help: 'Frames refused whole, by cause',
    labels: ['cause'],
  });
  const handshakes = metrics.counter({
    name: 'handshakes_total',
    help: 'Handshakes by result',
    labels: ['result'],
  });
  const guard = metrics.counter({
    name: 'guard_unavailable_total',
    help: 'Frames the replay guard could not decide',
  });
  const guardTime = metrics.histogram({
    name: 'guard_seconds',
    help: 'Replay guard: one frame, asked and answered',
    buckets: GUARD_BUCKETS,
  });
  const refusals = metrics.counter({
    name: 'refusals_total',
    help: 'Refusals sent to clients for their messages, by reason',
    labels: ['reason'],
  });
  const untraced = metrics.counter({
    name: 'traces_refused_total',
    help: 'Messages that asked for a trace beyond the bound, and were carried out without',
  });
  metrics.gauge({ name: 'sessions', help: 'Open sessions', collect: gauges.sessions });
  metrics.gauge({
    name: 'messages_in_flight',
    help: 'Messages taken and not yet final',
    collect: gauges.inFlight,
  });
  metrics.gauge({
    name: 'policy_revision',
    help: 'Policy revision in force',
    collect: gauges.policyRevision,
  });
  return {
    frame: () => frames.add({}),
    messages: (verdict, count) => messages.add({ verdict }, count),
    decided(allowed, denied, ms) {
      if (allowed > 0) decisions.add({ decision: 'allow' }, allowed);
      if (denied > 0) decisions.add({ decision: 'deny' }, denied);
      if (allowed + denied > 0) decisionTime.observe({}, ms / MS_PER_SECOND);
    },
    concluded(outcome, count, slowestMs) {
      outcomes.add({ outcome }, count);
      forwardTime.observe({ outcome }, slowestMs / MS_PER_SECOND);
    },
    rejected: (cause) => rejected.add({ cause }),
    handshake: (result) => handshakes.add({ result }),
    guardUnavailable: () => guard.add({}),
    guardAnswered: (ms) => guardTime.observe({}, ms / MS_PER_SECOND),
    refused(code, count = 1) {
      if (code !== undefined && count > 0) refusals.add({ reason: code }, count);
    },
    tracesRefused: (count) => untraced.add({}, count),
  };
}
