/** Database failures as a closed union, mapped from SQLSTATE (PostgreSQL 18, appendix A), never from message text. */
import { SallyportError, type Reason } from '../errors/index.ts';

const rows = {
  unique_violation: { reason: 'internal' },
  foreign_key_violation: { reason: 'internal' },
  not_null_violation: { reason: 'internal' },
  check_violation: { reason: 'internal' },
  /** The transaction lost against a concurrent one; repeat it from the start. */
  serialization_failure: { reason: 'conflict' },
  /** The role may not do this: a service reached outside its own schema. */
  insufficient_privilege: { reason: 'internal' },
  /** The statement or its values do not fit the schema: a defect in the caller. */
  invalid_statement: { reason: 'internal' },
  /** Too many are waiting for a connection. */
  overloaded: { reason: 'busy' },
  /** Waited for, or held, the connection for too long. Whether a statement took effect is unknown. */
  deadline_exceeded: { reason: 'unavailable' },
  /** The database is gone, is starting, or has no room left. */
  unavailable: { reason: 'unavailable' },
  /** The connection was lost while a transaction committed: it may be there or not. Look before doing it again. */
  outcome_unknown: { reason: 'unavailable' },
  closed: { reason: 'unavailable' },
  other: { reason: 'internal' },
} as const satisfies Record<string, { reason: Reason }>;

export type DatabaseErrorKind = keyof typeof rows;

export interface DatabaseErrorDetails {
  readonly sqlState?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
  readonly cause?: unknown;
}

/** An unhandled one becomes the reason in the table above at the edge. `message` holds no parameter values. */
export class DatabaseError extends SallyportError {
  override readonly name: string = 'DatabaseError';
  readonly kind: DatabaseErrorKind;
  readonly sqlState: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly constraint: string | undefined;

  constructor(kind: DatabaseErrorKind, message: string, details: DatabaseErrorDetails = {}) {
    super(rows[kind].reason, message, details.cause === undefined ? {} : { cause: details.cause });
    this.kind = kind;
    this.sqlState = details.sqlState;
    this.table = details.table;
    this.column = details.column;
    this.constraint = details.constraint;
  }
}

/** For `catch`: whether `error` is a database error of this kind. */
export function isDatabaseError(error: unknown, kind?: DatabaseErrorKind): error is DatabaseError {
  return error instanceof DatabaseError && (kind === undefined || error.kind === kind);
}

/** The schema in the database and the migrations of this build do not fit; the service must not start. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly kind: 'checksum_changed' | 'unknown_migration' | 'out_of_order' | 'invalid_list' | 'failed';
  readonly migrationId: string;

  constructor(
    kind: MigrationError['kind'],
    migrationId: string,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.kind = kind;
    this.migrationId = migrationId;
  }
}

/** SQLSTATE → kind: exact codes first, then classes (the first two characters). */
const byCode: Readonly<Record<string, DatabaseErrorKind>> = {
  '23505': 'unique_violation',
  '23503': 'foreign_key_violation',
  '23502': 'not_null_violation',
  '23514': 'check_violation',
  '40001': 'serialization_failure',
  '40P01': 'serialization_failure',
  '42501': 'insufficient_privilege',
  '57014': 'deadline_exceeded', // query_canceled
  '25P03': 'deadline_exceeded', // idle_in_transaction_session_timeout
  '55P03': 'deadline_exceeded', // lock_not_available
};
const byClass: Readonly<Record<string, DatabaseErrorKind>> = {
  '08': 'unavailable', // connection exception
  '22': 'invalid_statement', // data exception
  '28': 'unavailable', // invalid authorization specification: credentials may be on their way
  '3D': 'unavailable', // invalid catalog name: the database is not there yet
  '42': 'invalid_statement', // syntax error or access rule violation
  '53': 'unavailable', // insufficient resources
  '54': 'invalid_statement', // program limit exceeded
  '57': 'unavailable', // operator intervention
  '58': 'unavailable', // system error
};

export function kindOfSqlState(sqlState: string | undefined): DatabaseErrorKind {
  if (sqlState === undefined) return 'other';
  return byCode[sqlState] ?? byClass[sqlState.slice(0, 2)] ?? 'other';
}
