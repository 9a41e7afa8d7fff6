/** A service's own end of the audit trail: what is recorded is durable here, and leaves the spool only when it is in the log. */
import type { AuditEvent } from '@sallyport/audit-log';
import type { Bus } from '../bus/index.ts';
import type { Clock } from '../clock/index.ts';
import type { Log } from '../log/index.ts';
import type { Tracer } from '../telemetry/index.ts';

export interface AuditTrailOptions {
  /** SPIFFE id of the service; together with the spool's own instance id it names the producer. */
  readonly serviceId: string;
  /** Of this service alone. */
  readonly directory: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer?: Tracer;
}

export interface AuditTrail extends AsyncDisposable {
  /** Resolves when the event is on disk. Throws `SallyportError` `spool_full` or `unavailable`; then it is not. */
  record(event: AuditEvent): Promise<void>;
  /** Readiness: rejects while nothing can be recorded. */
  ready(): Promise<void>;
  /** Stops shipping; what was not acknowledged waits for the next start. Idempotent. */
  dispose(): Promise<void>;
}

/** Opens the spool and ships from it. */
export async function startAuditTrail(_options: AuditTrailOptions): Promise<AuditTrail> {
  throw new Error('in progress');
}
