/**
 * The stream of Sallyport, and what it promises: a way station, not a store.
 *
 * What waits in it is in a producer's spool as well until audit-service has it under a checkpoint, and is sent again
 * when no acknowledgement comes. So it may be small, may lose everything, and refuses when it is full (docs/adr/0055).
 */
import { AUDIT_EVENTS_PATTERN } from '../audit/subjects.ts';

export interface StreamSpec {
  readonly name: string;
  /** Patterns; a subject that matches is stored, any other is an announcement. */
  readonly subjects: readonly string[];
  /** `workqueue`: an acknowledged message is gone, one consumer a subject. `interest`: every consumer has it once. */
  readonly retention: 'workqueue' | 'interest';
  readonly maxBytes: number;
  /** Default: no bound but that of bytes. */
  readonly maxMessages?: number;
  /** What waits longer is dropped. */
  readonly maxAgeMs: number;
  readonly deduplicationWindowMs: number;
  /** Servers that hold a copy. Default 1; in a cluster of three, 3. */
  readonly replicas?: 1 | 3 | 5;
}

export const auditStream: StreamSpec = {
  name: 'AUDIT',
  subjects: [AUDIT_EVENTS_PATTERN],
  retention: 'workqueue',
  maxBytes: 256 * 1024 * 1024,
  // The shipper repeats at the latest after a minute; what is older than this was sent again many times.
  maxAgeMs: 15 * 60_000,
  deduplicationWindowMs: 120_000,
};

/** The one durable consumer of the audit stream, shared by all replicas of audit-service. */
export const auditConsumer = { name: 'audit-service', subject: AUDIT_EVENTS_PATTERN } as const;
