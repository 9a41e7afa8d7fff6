/** What a service's user may do, asked of the server before the service works with it. */
import { DatabaseError } from '../database/error.ts';
import type { SqlSource } from '../database/sql-source.ts';

/** Throws `DatabaseError` (`insufficient_privilege`) that says what to change. */
export async function checkRights(
  source: SqlSource,
  { user, schema }: { readonly user: string; readonly schema: string },
): Promise<void> {
  const connection = await source.acquire();
  try {
    const { rows } = await connection.query(
      `select
         rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as powerful,
         array(
           select rolname::text from pg_roles other
           where other.oid <> r.oid and pg_has_role(r.oid, other.oid, 'member') and (
             rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
             or rolname like 'pg\\_%'
             or exists (select from pg_namespace where nspowner = other.oid))
           order by 1
         ) as others, -- PostgreSQL 15, section 22.5: what begins with pg_ reaches beyond a schema
         coalesce((select nspowner = r.oid from pg_namespace where nspname = $1), false) as owner
       from pg_roles r where rolname = current_user`,
      [schema],
    );
    const rights = rows[0];
    if (rights?.['powerful'] !== false) {
      const message = `the database user ${user} may more than a service should (superuser, or the right to make roles or databases): give the service a user of its own`;
      throw new DatabaseError('insufficient_privilege', message);
    }
    const others: unknown = rights['others'];
    if (!Array.isArray(others) || others.length > 0) {
      const message = `the database user ${user} may become ${String(others)}, and so more than a service should: revoke that`;
      throw new DatabaseError('insufficient_privilege', message);
    }
    if (rights['owner'] !== true) {
      const message = `the database user ${user} has no schema ${schema}: provision the database before the service starts`;
      throw new DatabaseError('insufficient_privilege', message);
    }
  } finally {
    await source.release(connection);
  }
}
