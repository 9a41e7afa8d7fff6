import { DatabaseError as PgError } from 'pg';
import { DatabaseError } from '../database/error.ts';
import { ServerError, serverErrorFields } from '../database/server-error.ts';

/** What the driver threw, as the port's error: an answer of the server, or a connection that is no more. */
export function databaseErrorOf(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const fields = error instanceof PgError ? serverErrorFields(error) : undefined;
  if (fields !== undefined) return new ServerError(fields);
  return new DatabaseError('unavailable', `the database cannot be reached: ${reasonOf(error)}`, {
    cause: error,
  });
}

/** Node's codes say most (`ECONNREFUSED`, `ERR_TLS_CERT_ALTNAME_INVALID`); nothing here comes from a statement. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection failed';
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : '';
  return `${code}${error.message}`;
}

/** Whether the server ends the connection with this answer (PostgreSQL 15, section 55.2.8). */
export function isFatal(error: unknown): boolean {
  return error instanceof PgError && (error.severity === 'FATAL' || error.severity === 'PANIC');
}
