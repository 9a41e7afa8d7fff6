import type { Decision, Outcome } from './event.ts';

/**
 * One row of the query table. An absent value is '' (0n for `seq`), so that a row survives every store and wire
 * unchanged and the verifier can compare it column by column.
 */
export interface AuditRecord {
  /** Position inside the event: the messages of a frame share one. */
  readonly item: number;
  readonly timeMs: number;
  readonly phase: 'event' | 'decision' | 'outcome';
  /** OCSF class_uid; 0 for a body that is no audit event. */
  readonly classUid: number;
  /** OCSF activity_name, e.g. "logon", "message", "create". */
  readonly activity: string;
  readonly tenant: string;
  /** `kind:id`; '' where nobody was authenticated. */
  readonly principal: string;
  readonly action: string;
  readonly destination: string;
  /** Of the operation inside the destination: a tool's or prompt's name, a resource's URI. */
  readonly target: string;
  /** Hexadecimal. */
  readonly argumentsDigest: string;
  readonly decision: Decision | '';
  readonly reason: string;
  readonly policyRevision: string;
  readonly outcome: Outcome | '';
  /** Hexadecimal. */
  readonly sessionId: string;
  /** Hexadecimal. */
  readonly correlation: string;
  readonly seq: bigint;
}

/** The columns in their order. */
export const RECORD_COLUMNS = [
  'item',
  'timeMs',
  'phase',
  'classUid',
  'activity',
  'tenant',
  'principal',
  'action',
  'destination',
  'target',
  'argumentsDigest',
  'decision',
  'reason',
  'policyRevision',
  'outcome',
  'sessionId',
  'correlation',
  'seq',
] as const satisfies readonly (keyof AuditRecord)[];
