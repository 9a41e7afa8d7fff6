/** Postgres on this machine: TLS 1.3 and SCRAM only, 127.0.0.1 only, no Unix socket, every commit on the disk. */
import { execFile } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { LocalServerError } from './error.ts';
import { requireServer } from './find.ts';
import { postgresUser, prepareServerFolder, type ServerUser } from './postgres-user.ts';
import { superviseServer, type LocalServer } from './supervise.ts';
import type { ServerTls } from './tls.ts';

export interface LocalPostgresOptions {
  /**
   * Made when missing; one server per folder. When we are root it must be reachable for the user `postgres`, who gets
   * only `data` in it: configuration and keys stay root's.
   */
  readonly folder: string;
  readonly port?: number;
  readonly tls: ServerTls;
  /** Of the user `postgres`; taken when the data folder is made, and needed to ask whether the server is ready. */
  readonly superuserPassword: string;
  /** Default 200. */
  readonly maxConnections?: number;
}

export interface LocalPostgres extends LocalServer {
  /** Where the superuser connects; the password is the caller's. */
  readonly admin: {
    readonly host: '127.0.0.1';
    readonly port: number;
    readonly database: 'postgres';
    readonly user: 'postgres';
  };
}

const run = promisify(execFile);
const INITDB_TIMEOUT_MS = 60_000;

/** Throws `LocalServerError`. */
export async function startPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const { tls, superuserPassword } = options;
  const { path } = await requireServer('postgres');
  const user = await postgresUser();
  const folder = resolve(options.folder);
  const data = join(folder, 'data');
  const config = join(folder, 'config');
  await prepareServerFolder(folder, user);
  const server = await superviseServer({
    name: 'postgres',
    folder,
    port: options.port,
    async prepare(port) {
      await mkdir(config, { recursive: true, mode: 0o750 });
      if (user !== undefined) await chown(config, 0, user.gid);
      await writeConfig(config, data, options, port, user);
      if (!(await exists(data))) {
        await initialise({ initdb: join(dirname(path), 'initdb'), config, data, superuserPassword, user });
      }
    },
    removeData: () => rm(data, { recursive: true, force: true }),
    command: { path, args: [`--config-file=${join(config, 'postgresql.conf')}`], user },
    ask: (port) => askPostgres(port, tls.caPem, superuserPassword, data),
    stopSignal: 'SIGINT', // "fast": clients are cut off, the data is flushed
    // Processes of a killed server may take a moment to notice.
    transient: /pre-existing shared memory block|lock file "postmaster\.pid" already exists/,
  });
  const { port } = server;
  const admin = { host: '127.0.0.1', port, database: 'postgres', user: 'postgres' } as const;
  // Not spread: pid and exited change over a restart.
  return Object.defineProperty(server, 'admin', { value: admin, enumerable: true }) as LocalPostgres;
}

/** Another server on this port, with the same password, is not ours: the data folder tells. */
async function askPostgres(port: number, caPem: string, password: string, data: string): Promise<void> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    password,
    ssl: { ca: caPem, servername: 'localhost', minVersion: 'TLSv1.3' },
    connectionTimeoutMillis: 1000,
    query_timeout: 1000,
    application_name: 'readiness',
  });
  client.on('error', () => undefined); // the question fails by itself
  try {
    await client.connect();
    const { rows } = await client.query<{ path: string }>("select current_setting('data_directory') as path");
    if (rows[0]?.path !== data) throw new Error(`another server answers on port ${port}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Beside its place, then renamed: a crash in between leaves nothing half-made. */
async function initialise(options: {
  readonly initdb: string;
  readonly config: string;
  readonly data: string;
  readonly superuserPassword: string;
  readonly user: ServerUser;
}): Promise<void> {
  const { initdb, config, data, superuserPassword, user } = options;
  const unfinished = `${data}.unfinished`;
  const passwordFile = join(config, 'superuser-password');
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { mode: 0o700 });
  await writeFor(user, passwordFile, superuserPassword);
  if (user !== undefined) await chown(unfinished, user.uid, user.gid);
  const args = ['--username=postgres', '--encoding=UTF8', '--locale=C', '--auth=scram-sha-256'];
  try {
    await run(initdb, [...args, '--data-checksums', `--pwfile=${passwordFile}`, '-D', unfinished], {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      timeout: INITDB_TIMEOUT_MS,
      ...user,
    });
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw new LocalServerError('not_ready', `initdb could not make ${data}: ${said.slice(-1000)}`, { cause });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, data);
}

/** Readable for the server, writable for nobody but us. */
async function writeFor(user: ServerUser, file: string, content: string): Promise<void> {
  await rm(file, { force: true });
  await writeFile(file, content, { mode: 0o600 });
  await giveTo(user, file);
}

async function giveTo(user: ServerUser, file: string): Promise<void> {
  await chmod(file, user === undefined ? 0o600 : 0o640); // root's key file may be 0640 (PostgreSQL 15, section 19.9.1)
  if (user !== undefined) await chown(file, 0, user.gid);
}

async function writeConfig(
  config: string,
  data: string,
  { tls, maxConnections = 200 }: LocalPostgresOptions,
  port: number,
  user: ServerUser,
): Promise<void> {
  const own = { certFile: join(config, 'server.pem'), keyFile: join(config, 'server.key') };
  for (const name of ['certFile', 'keyFile'] as const) {
    await copyFile(tls[name], own[name]); // the originals may be where the server's user cannot go
    await giveTo(user, own[name]);
  }
  const settings: Readonly<Record<string, string | number>> = {
    data_directory: data,
    hba_file: join(config, 'pg_hba.conf'),
    ident_file: join(config, 'pg_ident.conf'),
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: maxConnections,
    ssl: 'on',
    ssl_cert_file: own.certFile,
    ssl_key_file: own.keyFile,
    ssl_min_protocol_version: 'TLSv1.3',
    password_encryption: 'scram-sha-256',
    authentication_timeout: '10s',
    shared_buffers: '64MB',
    max_wal_size: '256MB',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %q%u@%d ',
    log_min_error_statement: 'panic', // statements hold values, and a log is no place for them
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoteSetting(value)}`);
  await writeFor(user, join(config, 'postgresql.conf'), `${lines.join('\n')}\n`);
  await writeFor(user, join(config, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 scram-sha-256\n');
  await writeFor(user, join(config, 'pg_ident.conf'), '');
}

const quoteSetting = (value: string | number): string =>
  typeof value === 'number' ? String(value) : `'${value.replaceAll("'", "''")}'`;
