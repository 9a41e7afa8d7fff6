/** Redis on this machine: TLS 1.3 only, named users only, never an eviction. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkCredentials, quotePath } from './credentials.ts';
import { requireServer } from './find.ts';
import { superviseServer, type LocalServer } from './supervise.ts';
import { askOverTls } from './tls-ask.ts';
import type { ServerTls } from './tls.ts';

export interface RedisUser {
  readonly name: string;
  /** At least 16 of `A-Za-z0-9_~.-`, random: only its SHA-256 is stored. */
  readonly password: string;
  /** Rules as of `ACL SETUSER`, e.g. `~session:* +@hash +eval`. See `redisAcl` for the servers' own. */
  readonly acl: string;
}

export interface RedisOptions {
  /** Made with mode 0700 when missing. One server per folder. */
  readonly folder: string;
  /** Default: a free one, the same after `restart`. */
  readonly port?: number;
  readonly tls: ServerTls;
  readonly users: readonly RedisUser[];
  /** As Redis writes sizes. Default `128mb`; a full server refuses writes and evicts nothing. */
  readonly maxMemory?: string;
  /** Keep the data over a restart, each write flushed before it is answered. Default: memory only. */
  readonly appendOnly?: boolean;
  /** A user there with `redisAcl.replica`. */
  readonly replicaOf?: { readonly port: number; readonly user: string; readonly password: string };
  /** A node of Redis Cluster: it listens on `port + 10000` for its peers too, and serves no slot yet. */
  readonly cluster?: boolean;
  /** Further lines of the configuration. */
  readonly extra?: readonly string[];
}

/** What servers need at each other (redis.io, "ACL rules for Sentinel and Replicas"). */
export const redisAcl = {
  replica: '+psync +replconf +ping',
  sentinel:
    'allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill',
} as const;

/** Throws `LocalServerError`, `TypeError` for credentials that do not fit. */
export async function startRedis(options: RedisOptions): Promise<LocalServer> {
  const { tls, users, port, cluster = false } = options;
  const { path } = await requireServer('redis');
  const folder = resolve(options.folder);
  const data = join(folder, 'data');
  const supervisor = { name: 'supervisor', password: randomBytes(24).toString('base64url'), acl: '+ping' };
  const aclLines = ['user default off', ...[...users, supervisor].map(aclLine)];
  const config = join(folder, 'redis.conf');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return superviseServer({
    name: 'redis-server',
    folder,
    port,
    redisCluster: cluster,
    async prepare(onPort) {
      await mkdir(data, { recursive: true, mode: 0o700 });
      await writeFile(join(folder, 'users.acl'), `${aclLines.join('\n')}\n`, { mode: 0o600 });
      await writeFile(config, `${configLines(options, folder, onPort).join('\n')}\n`, { mode: 0o600 });
    },
    removeData: () => rm(data, { recursive: true, force: true }),
    command: { path, args: [config] },
    ask: (onPort) => askRedis(onPort, tls.caPem, supervisor),
    stopSignal: 'SIGTERM',
  });
}

/** Rejects unless the server lets the user in and is not loading. */
export function askRedis(
  port: number,
  caPem: string,
  { name, password }: Pick<RedisUser, 'name' | 'password'>,
): Promise<void> {
  return askOverTls({ port, caPem }, async ({ write, line }) => {
    write(`AUTH ${name} ${password}\r\nPING\r\n`);
    for (const expected of ['+OK', '+PONG']) {
      const answer = await line();
      if (answer !== expected) throw new Error(`it answered ${answer}`);
    }
  });
}

export function aclLine({ name, password, acl }: RedisUser): string {
  checkCredentials(name, password);
  if (/[\r\n]/.test(acl)) throw new TypeError(`the rules of ${name} are one line`);
  const digest = createHash('sha256').update(password, 'utf8').digest('hex');
  return `user ${name} reset on #${digest} ${acl}`;
}

/** For Redis and Sentinel alike. */
export function tlsLines(tls: ServerTls, port: number): readonly string[] {
  return [
    'bind 127.0.0.1',
    'protected-mode yes',
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${quotePath(resolve(tls.certFile))}`,
    `tls-key-file ${quotePath(resolve(tls.keyFile))}`,
    `tls-ca-cert-file ${quotePath(resolve(tls.caFile))}`,
    'tls-protocols "TLSv1.3"',
    'tls-auth-clients no', // clients show a password; peers show the certificate all servers share
    'tls-replication yes',
    'daemonize no',
  ];
}

function configLines(options: RedisOptions, folder: string, port: number): readonly string[] {
  const { maxMemory = '128mb', appendOnly = false, replicaOf, cluster = false, extra = [] } = options;
  if (replicaOf !== undefined) checkCredentials(replicaOf.user, replicaOf.password);
  return [
    ...tlsLines(options.tls, port),
    `dir ${quotePath(join(folder, 'data'))}`,
    `aclfile ${quotePath(join(folder, 'users.acl'))}`,
    `maxmemory ${maxMemory}`,
    'maxmemory-policy noeviction',
    'save ""',
    ...(appendOnly ? ['appendonly yes', 'appendfsync always'] : ['appendonly no']),
    ...(cluster ? ['cluster-enabled yes', 'tls-cluster yes', 'cluster-config-file nodes.conf'] : []),
    ...(replicaOf === undefined
      ? []
      : [
          `replicaof 127.0.0.1 ${replicaOf.port}`,
          `masteruser ${replicaOf.user}`,
          `masterauth ${replicaOf.password}`,
        ]),
    ...extra,
  ];
}
