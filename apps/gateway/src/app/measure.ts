/** What the pipeline counts (DESIGN.md section 13). Labels come from closed sets. */
import type { Metrics } from '@sallyport/service/metrics';
import type { RecordVerdict } from './ports.ts';

export type PipelineMetrics = {
  frame(): void;
  message(verdict: RecordVerdict): void;
  decided(decision: 'allow' | 'deny', ms: number): void;
  concluded(outcome: 'success' | 'failure' | 'refused' | 'unknown', ms: number): void;
  rejected(cause: string): void;
  handshake(result: string): void;
  guardUnavailable(): void;
};

const DECISION_BUCKETS = [0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002, 0.01] as const;
const FORWARD_BUCKETS = [0.000_5, 0.002, 0.01, 0.05, 0.2, 1, 5, 30] as const;
const MS_PER_SECOND = 1000;

export function pipelineMetrics(
  metrics: Metrics,
  gauges: {
    readonly sessions: () => number;
    readonly inFlight: () => number;
    readonly policyRevision: () => number;
    readonly spoolBytes: () => number;
  },
): PipelineMetrics {
  const frames = metrics.counter({ name: 'frames_total', help: 'Frames whose signature was verified' });
  const messages = metrics.counter({
    name: 'messages_total',
    help: 'Messages by what the replay guard said',
    labels: ['verdict'],
  });
  const decisions = metrics.histogram({
    name: 'decision_seconds',
    help: 'Policy decisions in process',
    labels: ['decision'],
    buckets: DECISION_BUCKETS,
  });
  const outcomes = metrics.histogram({
    name: 'forward_seconds',
    help: 'From the recorded decision to the answer of the route, by outcome',
    labels: ['outcome'],
    buckets: FORWARD_BUCKETS,
  });
  const rejected = metrics.counter({
    name: 'frames_rejected_total',
    help: 'Frames refused before their sender was authenticated, or replayed',
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
  metrics.gauge({ name: 'sessions', help: 'Open sessions', collect: gauges.sessions });
  metrics.gauge({
    name: 'messages_in_flight',
    help: 'Messages accepted and not yet final',
    collect: gauges.inFlight,
  });
  metrics.gauge({
    name: 'policy_revision',
    help: 'Policy revision in force',
    collect: gauges.policyRevision,
  });
  metrics.gauge({
    name: 'audit_spool_bytes',
    help: 'Audit records not yet acknowledged',
    collect: gauges.spoolBytes,
  });
  return {
    frame: () => frames.add({}),
    message: (verdict) => messages.add({ verdict }),
    decided: (decision, ms) => decisions.observe({ decision }, ms / MS_PER_SECOND),
    concluded: (outcome, ms) => outcomes.observe({ outcome }, ms / MS_PER_SECOND),
    rejected: (cause) => rejected.add({ cause }),
    handshake: (result) => handshakes.add({ result }),
    guardUnavailable: () => guard.add({}),
  };
}
