/**
 * Principals' calls of a service's methods as OCSF API Activity, the same in every service.
 *
 * - Refused before the handler: one event.
 * - A call that changes something, or a stream: one event when it is allowed (outcome `unknown`, for nobody can tell
 *   yet), durable before the handler runs, and one with its outcome before the answer leaves.
 * - A call that only reads: one event with its outcome, before the answer leaves. Nothing has happened until then.
 */
import { apiActivityEvent, type ApiActivityInput, type Outcome } from '@sallyport/audit-log';
import type { Clock } from '../clock/index.ts';
import { parseSpiffeId } from '../identity/index.ts';
import type { OnDecision, OnOutcome, PrincipalCall } from '../grpc/index.ts';
import type { AuditTrail } from './trail.ts';

export interface RecordPrincipalCallsOptions {
  readonly trail: Pick<AuditTrail, 'record'>;
  /** SPIFFE id of the recording service. */
  readonly serviceId: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Default `default`. */
  readonly tenant?: string;
}

/**
 * The two hooks of `startGrpcServer`: `startGrpcServer({ ...recordPrincipalCalls({ … }), … })`.
 * Throws `TypeError` when `serviceId` is not the SPIFFE id of a service.
 */
export function recordPrincipalCalls(options: RecordPrincipalCallsOptions): {
  readonly onDecision: OnDecision;
  readonly onOutcome: OnOutcome;
} {
  const { trail, serviceId, clock, tenant = 'default' } = options;
  const service = parseSpiffeId(serviceId);
  if (service?.kind !== 'svc') throw new TypeError(`"${serviceId}" is not the SPIFFE id of a service`);

  const event = (call: PrincipalCall, part: 'decision' | 'outcome', outcome: Outcome, reason: string) =>
    apiActivityEvent(
      {
        id: `${call.correlationId}-${part}`,
        timeMs: Math.trunc(clock.now()),
        source: serviceId,
        tenant,
      },
      {
        activity: activityOf(call.action),
        actor: { kind: 'principal', id: call.caller.id },
        operation: call.method.replace(/^sallyport\./u, ''),
        service: service.name,
        action: call.action,
        ...(call.resource.kind === 'method'
          ? {}
          : { resource: `${call.resource.kind}:${call.resource.name}` }),
        ...(call.verdict === undefined
          ? {}
          : {
              decision: {
                decision: call.verdict.allowed ? 'allow' : 'deny',
                policyRevision: call.verdict.revision.toString(),
              },
            }),
        outcome,
        reason,
        peer: { ip: call.peerAddress },
        requestId: call.correlationId,
      },
    );

  return {
    async onDecision(call) {
      if (call.verdict === undefined) {
        await trail.record(event(call, 'decision', 'refused', 'policy_unavailable'));
      } else if (!call.verdict.allowed) {
        await trail.record(event(call, 'decision', 'refused', 'denied'));
      } else if (!readsAtOnce(call)) {
        await trail.record(event(call, 'decision', 'unknown', 'allowed'));
      }
    },
    async onOutcome(call, { outcome, reason }) {
      // The end of something already recorded may use the spool's reserve.
      await trail.record(event(call, 'outcome', outcome, reason ?? 'ok'), { useReserve: !readsAtOnce(call) });
    },
  };
}

/** Actions are `<subject>.<verb>`; these verbs change nothing. */
const READING: ReadonlySet<string> = new Set(['read', 'check']);
const verbOf = (action: string): string => action.slice(action.lastIndexOf('.') + 1);

function readsAtOnce(call: PrincipalCall): boolean {
  return !call.streaming && READING.has(verbOf(call.action));
}

const ACTIVITIES: Readonly<Record<string, ApiActivityInput['activity']>> = {
  read: 'read',
  check: 'read',
  write: 'update',
  rotate: 'update',
  revoke: 'delete',
};

function activityOf(action: string): ApiActivityInput['activity'] {
  return ACTIVITIES[verbOf(action)] ?? 'other';
}
