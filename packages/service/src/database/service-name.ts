/** A service's name in the database: its role and its schema are called the same. */
import { DatabaseError } from './error.ts';

const servicePattern = /^(?!public$|postgres$|pg-|information-schema$)[a-z][a-z0-9-]{0,40}$/;

/** The name of role and schema. Throws `DatabaseError` (`invalid_statement`) for a name that is none. */
export function roleOf(service: string): string {
  if (!servicePattern.test(service)) {
    const message = `service name ${service} must match ${servicePattern.source}`;
    throw new DatabaseError('invalid_statement', message);
  }
  return service.replaceAll('-', '_');
}
