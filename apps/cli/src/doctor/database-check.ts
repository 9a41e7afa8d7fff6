/** One look at Postgres as one of the services. */
import { openPostgres } from '@sallyport/service/postgres';
import { readFile } from 'node:fs/promises';
import { secretIn } from '@sallyport/service/process';
import type { DatabaseSection } from '../cluster/backends.ts';
import { CommandFailed } from '../exit.ts';

/** The server's version. Throws `CommandFailed` when the role does not get in, may too much, or has no schema. */
export async function lookAtDatabase(service: string, section: DatabaseSection): Promise<string> {
  const { host, port, database, user, passwordFile, caFile } = section;
  try {
    await using server = await openPostgres({
      ...{ host, port, database, user },
      password: secretIn(passwordFile),
      tls: caFile === undefined ? 'unsafe-plaintext' : { caPem: await readFile(caFile, 'utf8') },
      maxConnections: 1,
    });
    const own = await server.forService<Record<string, never>>(service);
    const { version } = await own.kysely
      .selectNoFrom((builder) =>
        builder.fn<string>('current_setting', [builder.val('server_version')]).as('version'),
      )
      .executeTakeFirstOrThrow();
    return version.split(' ')[0] ?? version;
  } catch (error) {
    throw new CommandFailed(`Postgres at ${host}:${port} as ${user}: ${(error as Error).message}`);
  }
}
