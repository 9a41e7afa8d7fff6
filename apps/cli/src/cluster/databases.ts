/** A schema and a login role for each service, with a password of its own: made once, and made sure of at every start. */
import { readFile } from 'node:fs/promises';
import { provisionPostgres } from '@sallyport/service/postgres';
import { secretIn } from '@sallyport/service/process';
import { DATABASE_SERVICES, type Backends, type DatabaseSection, type DatabaseService } from './backends.ts';
import { ensurePassword } from './secrets.ts';

export type PostgresAdmin = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly passwordFile: string;
  readonly caFile: string | undefined;
  /** Any that exists: where the administrator connects. */
  readonly database: string;
  /** Where the schemas are; made when missing. */
  readonly schemasIn: string;
};

/** Per process: the server's own limit must allow for all replicas. */
const MAX_CONNECTIONS = 8;

/** What each service's configuration says of its database. Throws `DatabaseError`. */
export async function provisionDatabases(
  admin: PostgresAdmin,
  secrets: string,
  isInsecureAllowed: boolean,
): Promise<Backends['database']> {
  const { host, port, user, database, caFile, passwordFile, schemasIn } = admin;
  const passwords = await Promise.all(
    DATABASE_SERVICES.map((service) => ensurePassword(secrets, `postgres-${service}`)),
  );
  const { users } = await provisionPostgres(
    {
      ...{ host, port, user, database },
      password: secretIn(passwordFile),
      tls:
        caFile === undefined && isInsecureAllowed
          ? 'unsafe-plaintext'
          : { caPem: caFile === undefined ? undefined : await readFile(caFile, 'utf8') },
    },
    DATABASE_SERVICES.map((service, index) => ({
      service,
      password: secretIn(passwords[index]?.file ?? ''),
    })),
    { database: schemasIn },
  );
  const sections = DATABASE_SERVICES.map((service, index): [DatabaseService, DatabaseSection] => [
    service,
    {
      ...{ host, port, caFile },
      database: schemasIn,
      user: users[index] ?? '',
      passwordFile: passwords[index]?.file ?? '',
      maxConnections: MAX_CONNECTIONS,
    },
  ]);
  return Object.fromEntries(sections) as Record<DatabaseService, DatabaseSection>;
}
