/** The closed list of what this package throws. Expected results (a bad signature, a bad body) are return values. */
export type AuditLogProblem =
  /** A value given to a builder is out of bounds. */
  | 'invalid_event'
  /** Encoded event or spool record is larger than its bound. */
  | 'too_large'
  /** The spool's bound is reached; nothing was written. */
  | 'spool_full'
  /** A write or fsync failed: the records are not known to be durable. */
  | 'spool_write_failed'
  /** Bytes that had been made durable have changed; `file` and `offset` say where. */
  | 'spool_corrupt'
  /** The folder belongs to another producer. */
  | 'spool_mismatch'
  | 'spool_closed'
  /** An acknowledgement names what was never appended. */
  | 'invalid_acknowledgement'
  /** A tile that never changes would have changed. */
  | 'tile_conflict'
  /** The stored tiles or checkpoint do not fit what they are to be extended with. */
  | 'log_inconsistent';

export class AuditLogError extends Error {
  readonly problem: AuditLogProblem;
  /** File or tile path the problem is in. */
  readonly file?: string;
  /** Byte offset in `file`. */
  readonly offset?: number;
  /** Attribute the problem is in. */
  readonly field?: string;

  constructor(
    problem: AuditLogProblem,
    message: string,
    detail: { file?: string; offset?: number; field?: string; cause?: unknown } = {},
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'AuditLogError';
    this.problem = problem;
    if (detail.file !== undefined) this.file = detail.file;
    if (detail.offset !== undefined) this.offset = detail.offset;
    if (detail.field !== undefined) this.field = detail.field;
  }
}
