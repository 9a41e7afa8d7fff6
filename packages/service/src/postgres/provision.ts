/**
 * Makes what services need on a server before they start: the database, and for each a role that may log in, owns its
 * schema and may nothing else. Run by whoever deploys, with an administrator's credentials that no service gets.
 */
import type { Secret } from '@sallyport/crypto';
import { roleOf } from '../database/service-name.ts';
import { PostgresClient } from './client.ts';
import { databaseErrorOf } from './errors.ts';
import { isVerifierOf, scramVerifier } from './scram.ts';
import { connectionConfig, type PostgresServer } from './server.ts';

export interface ServiceRole {
  /** As in `forService`. */
  readonly service: string;
  /** Printable ASCII. */
  readonly password: Secret;
}

export interface ProvisionReport {
  /** Users, as `PostgresOptions.user` takes them, in the order of the services. */
  readonly users: readonly string[];
  /** Of these, the ones that got another password. */
  readonly passwordsChanged: readonly string[];
}

const CONNECT_TIMEOUT_MS = 5000;
const STATEMENT_TIMEOUT_MS = 60_000;
const LOCK = "hashtextextended('sallyport provisioning', 0)";
const databasePattern = /^[a-z][a-z0-9_]{0,62}$/;

/**
 * Idempotent, also when several run at once; a service that runs keeps its connections. `admin` is a superuser, or may
 * make roles and databases; its `database` is any that exists. Throws `DatabaseError`, `TypeError` for a bad name.
 */
export async function provisionPostgres(
  admin: PostgresServer,
  services: readonly ServiceRole[],
  options: { readonly database?: string } = {},
): Promise<ProvisionReport> {
  const { database = 'sallyport' } = options;
  if (!databasePattern.test(database))
    throw new TypeError(`database name ${database} must match ${databasePattern.source}`);
  const roles = services.map(({ service, password }) => ({ role: roleOf(service), password }));
  return connected(admin, async (first) => {
    // Advisory locks are of one database: all runs meet in the one that the administrator names.
    await first.query(`select pg_advisory_lock(${LOCK})`);
    const known = await first.query('select from pg_database where datname = $1', [database]);
    if (known.rowCount === 0)
      await first.query(`create database ${database} template template0 encoding 'UTF8'`);
    return connected({ ...admin, database }, async (client) => {
      await client.query(`revoke all on database ${database} from public`);
      await client.query('revoke all on schema public from public');
      const passwordsChanged: string[] = [];
      for (const { role, password } of roles) {
        if (await provisionRole(client, { database, role, password })) passwordsChanged.push(role);
      }
      return { users: roles.map(({ role }) => role), passwordsChanged };
    });
  });
}

/** In one transaction. Resolves to whether the password was set. */
async function provisionRole(
  client: PostgresClient,
  { database, role, password }: { database: string; role: string; password: Secret },
): Promise<boolean> {
  const { rows } = await client.query<{ superuser: boolean; known: boolean }>(
    `select rolsuper as superuser, exists (select from pg_roles where rolname = $1) as known
     from pg_roles where rolname = current_user`,
    [role],
  );
  const [{ superuser, known } = { superuser: false, known: false }] = rows;
  const stored = superuser && known ? await storedVerifier(client, role) : undefined;
  const setPassword = stored === undefined || !(await password.use((bytes) => isVerifierOf(stored, bytes)));
  const verifier = setPassword ? await password.use((bytes) => scramVerifier(bytes)) : undefined;
  // Only a superuser may take away what only a superuser may give.
  const least = `login noinherit nocreatedb nocreaterole${superuser ? ' nosuperuser noreplication nobypassrls' : ''}`;
  await client.query('begin');
  try {
    await client.query(`${known ? 'alter' : 'create'} role ${role} with ${least}`);
    if (verifier !== undefined) await client.query(`alter role ${role} password '${verifier}'`);
    await client.query(`alter role ${role} in database ${database} set search_path = ${role}`);
    await client.query(`grant connect on database ${database} to ${role}`);
    // Who is no superuser gives a schema only to a role that it is a member of.
    if (!superuser) await client.query(`grant ${role} to current_user`);
    await client.query(`create schema if not exists ${role} authorization ${role}`);
    await client.query(`revoke all on schema ${role} from public`);
    if (!superuser) await client.query(`revoke ${role} from current_user`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined); // the first error is the one to report
    throw error;
  }
  return setPassword;
}

async function storedVerifier(client: PostgresClient, role: string): Promise<string | undefined> {
  const { rows } = await client.query<{ verifier: string | null }>(
    'select rolpassword as verifier from pg_authid where rolname = $1',
    [role],
  );
  return rows[0]?.verifier ?? undefined;
}

async function connected<T>(server: PostgresServer, use: (client: PostgresClient) => Promise<T>): Promise<T> {
  const config = connectionConfig({
    ...server,
    applicationName: 'sallyport provisioning',
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    limits: {
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: STATEMENT_TIMEOUT_MS,
      idleInTransactionTimeoutMs: STATEMENT_TIMEOUT_MS,
    },
  });
  const client = new PostgresClient({ ...config, query_timeout: STATEMENT_TIMEOUT_MS });
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    throw error instanceof TypeError ? error : databaseErrorOf(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
