export { DatabaseError, isDatabaseError, MigrationError } from './error.ts';
export type { DatabaseErrorDetails, DatabaseErrorKind } from './error.ts';
export { openPglite } from './pglite.ts';
export type { PgliteOptions } from './pglite.ts';
export type {
  Database,
  DatabaseHost,
  DatabaseOptions,
  IsolationLevel,
  Migration,
  MigrationReport,
  TransactionOptions,
} from './port.ts';
