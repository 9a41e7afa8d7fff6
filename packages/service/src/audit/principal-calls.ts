/** Principals' calls of a service's methods as OCSF API Activity: the same in every service. */
import type { Clock } from '../clock/index.ts';
import type { OnDecision, OnOutcome } from '../grpc/index.ts';
import type { AuditTrail } from './trail.ts';

export interface RecordPrincipalCallsOptions {
  readonly trail: Pick<AuditTrail, 'record'>;
  /** SPIFFE id of the recording service. */
  readonly serviceId: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Default `default`. */
  readonly tenant?: string;
}

/** The two hooks of `startGrpcServer`: `startGrpcServer({ ...recordPrincipalCalls({ … }), … })`. */
export function recordPrincipalCalls(_options: RecordPrincipalCallsOptions): {
  readonly onDecision: OnDecision;
  readonly onOutcome: OnOutcome;
} {
  throw new Error('in progress');
}
