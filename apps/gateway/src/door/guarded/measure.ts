/** What guarding counts. Labels come from closed sets, never from what a client or server sent. */
import type { Metrics } from '@sallyport/service/metrics';
import type { GuardedMetrics } from './ports.ts';

const DECISION_BUCKETS = [0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002, 0.01] as const;
const CALL_BUCKETS = [0.000_5, 0.002, 0.01, 0.05, 0.2, 1, 5, 30] as const;
const MS_PER_SECOND = 1_000;

/** Once for a gateway: one family for all routes. */
export function guardedMetrics(metrics: Metrics): (route: string) => GuardedMetrics {
  const decisions = metrics.counter({
    name: 'door_decisions_total',
    help: 'Policy decisions on messages of the Model Context Protocol door',
    labels: ['route', 'decision'],
  });
  const decisionTime = metrics.histogram({
    name: 'door_decision_seconds',
    help: 'One policy decision on a message of the Model Context Protocol door',
    labels: ['route'],
    buckets: DECISION_BUCKETS,
  });
  const calls = metrics.histogram({
    name: 'door_call_seconds',
    help: 'From a message of the Model Context Protocol door to its recorded outcome',
    labels: ['route', 'outcome'],
    buckets: CALL_BUCKETS,
  });
  const refusals = metrics.counter({
    name: 'door_refusals_total',
    help: 'Messages of the Model Context Protocol door that were not forwarded',
    labels: ['route', 'reason'],
  });
  const hidden = metrics.counter({
    name: 'door_hidden_items_total',
    help: 'Items of lists that the caller was not shown',
    labels: ['route', 'why'],
  });
  const violations = metrics.counter({
    name: 'door_violations_total',
    help: 'What servers sent against the protocol, dropped',
    labels: ['route', 'kind'],
  });
  return (route) => ({
    decided(decision, ms) {
      decisions.add({ route, decision });
      decisionTime.observe({ route }, ms / MS_PER_SECOND);
    },
    concluded: (outcome, ms) => calls.observe({ route, outcome }, ms / MS_PER_SECOND),
    hidden: (why, count) => hidden.add({ route, why }, count),
    refused: (reason) => refusals.add({ route, reason: REASONS.has(reason) ? reason : 'policy' }),
    violation: (kind) => violations.add({ route, kind }),
  });
}

/** Reasons of our own; a policy's are its own, and any number of them. */
const REASONS: ReadonlySet<string> = new Set([
  ...['tool_changed', 'tool_waiting', 'tool_unknown', 'params_invalid', 'malformed'],
  ...[
    'session_unknown',
    'cursor_invalid',
    'event_invalid',
    'request_unknown',
    'request_state_invalid',
    'task_unknown',
  ],
  ...['spool_full', 'unavailable', 'unreachable', 'busy', 'timeout', 'broke_off', 'too_large', 'cancelled'],
  ...['policy_stale', 'policy_missing', 'policy_error'],
]);
