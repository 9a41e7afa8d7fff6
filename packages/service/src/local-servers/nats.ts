/** NATS with JetStream on this machine: TLS, named users, each with the subjects it may use. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkCredentials, quotePath } from './credentials.ts';
import { requireServer } from './find.ts';
import { superviseServer, type LocalServer } from './supervise.ts';
import { askOverTls } from './tls-ask.ts';
import type { ServerTls } from './tls.ts';

export interface NatsUser {
  readonly name: string;
  /** At least 16 of `A-Za-z0-9_~.-`; the server's file (0600) holds it. */
  readonly password: string;
  /** Subjects, wildcards included; an empty list forbids all. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface NatsOptions {
  /** Made with mode 0700 when missing. One server per folder. */
  readonly folder: string;
  readonly port?: number;
  readonly tls: ServerTls;
  readonly users: readonly NatsUser[];
  /** What streams may take on disk; beyond it publishing fails. */
  readonly jetStream: { readonly maxFileBytes: number };
  /** Further lines of the configuration. */
  readonly extra?: readonly string[];
}

const subjectPattern = /^[^\s"'\\]+$/;
const MOST_MEMORY_BYTES = 64 * 1024 * 1024;

/** Streams are kept over `restart`. Throws `LocalServerError`, `TypeError` for what does not fit. */
export async function startNats(options: NatsOptions): Promise<LocalServer> {
  const { tls, users, port } = options;
  const { path } = await requireServer('nats');
  const folder = resolve(options.folder);
  const store = join(folder, 'jetstream');
  const config = join(folder, 'nats.conf');
  const supervisor = {
    name: 'supervisor',
    password: randomBytes(24).toString('base64url'),
    publish: [],
    subscribe: [],
  };
  const userLines = [...users, supervisor].map(userLine);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return superviseServer({
    name: 'nats-server',
    folder,
    port,
    async prepare(onPort) {
      await mkdir(store, { recursive: true, mode: 0o700 });
      const lines = configLines(options, store, onPort, userLines);
      await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    },
    removeData: () => rm(store, { recursive: true, force: true }),
    command: { path, args: ['--config', config] },
    ask: (onPort) => askNats(onPort, tls.caPem, supervisor),
    stopSignal: 'SIGTERM',
  });
}

/** docs.nats.io, "Client Protocol": INFO in clear, TLS, then CONNECT and PING. */
function askNats(
  port: number,
  caPem: string,
  { name, password }: Pick<NatsUser, 'name' | 'password'>,
): Promise<void> {
  return askOverTls({ port, caPem, greeting: true }, async ({ write, line }) => {
    const connect = { verbose: false, pedantic: false, tls_required: true, user: name, pass: password };
    write(`CONNECT ${JSON.stringify(connect)}\r\nPING\r\n`);
    const answer = await line();
    if (answer !== 'PONG') throw new Error(`it answered ${answer}`);
  });
}

function configLines(
  { tls, jetStream, extra = [] }: NatsOptions,
  store: string,
  port: number,
  userLines: readonly string[],
): readonly string[] {
  return [
    `listen: "127.0.0.1:${port}"`,
    `server_name: "sallyport-${port}"`,
    'tls {',
    `  cert_file: ${quotePath(resolve(tls.certFile))}`,
    `  key_file: ${quotePath(resolve(tls.keyFile))}`,
    '  timeout: 5',
    '}',
    'jetstream {',
    `  store_dir: ${quotePath(store)}`,
    `  max_file_store: ${jetStream.maxFileBytes}`,
    `  max_memory_store: ${MOST_MEMORY_BYTES}`,
    '}',
    'authorization {',
    '  users = [',
    ...userLines,
    '  ]',
    '}',
    ...extra,
  ];
}

function userLine({ name, password, publish, subscribe }: NatsUser): string {
  checkCredentials(name, password);
  const permissions = `{ publish: ${rule(publish)}, subscribe: ${rule(subscribe)} }`;
  return `    { user: "${name}", password: "${password}", permissions: ${permissions} }`;
}

/** An empty `allow` would allow everything. */
function rule(subjects: readonly string[]): string {
  if (subjects.length === 0) return '{ deny: [">"] }';
  for (const subject of subjects) {
    if (!subjectPattern.test(subject)) throw new TypeError(`${JSON.stringify(subject)} is not a subject`);
  }
  return `{ allow: [${subjects.map((subject) => `"${subject}"`).join(', ')}] }`;
}
