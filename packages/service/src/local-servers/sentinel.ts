/** Redis Sentinel on this machine: watches a master and its replicas, and promotes one when the master is down. */
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkCredentials, quotePath } from './credentials.ts';
import { requireServer } from './find.ts';
import { aclLine, askRedis, tlsLines, type RedisUser } from './redis.ts';
import { superviseServer, type LocalServer } from './supervise.ts';
import type { ServerTls } from './tls.ts';

export interface SentinelOptions {
  /** Made with mode 0700 when missing. One server per folder. */
  readonly folder: string;
  readonly port?: number;
  readonly tls: ServerTls;
  /** Who may ask this sentinel; for clients `allchannels +@connection +subscribe +psubscribe +sentinel` do. */
  readonly users: readonly RedisUser[];
  /** How the sentinels of one master enter each other: the same for all of them. */
  readonly peer: { readonly name: string; readonly password: string };
  readonly master: {
    /** As clients ask for it. */
    readonly name: string;
    readonly port: number;
    /** On the master and on every replica, with `redisAcl.sentinel`. */
    readonly user: string;
    readonly password: string;
  };
  /** How many sentinels must see the master down. */
  readonly quorum: number;
  readonly downAfterMs: number;
  /** Default 10 000: how long a promotion may take before another is tried. */
  readonly failoverTimeoutMs?: number;
}

/** What it learned is kept over `restart`, forgotten with `empty`. Throws `LocalServerError`, `TypeError`. */
export async function startSentinel(options: SentinelOptions): Promise<LocalServer> {
  const { tls, users, peer, port } = options;
  const { path } = await requireServer('redis');
  const folder = resolve(options.folder);
  const config = join(folder, 'sentinel.conf');
  const supervisor = { name: 'supervisor', password: randomBytes(24).toString('base64url'), acl: '+ping' };
  const everyone = [...users, { ...peer, acl: 'allchannels +@all' }, supervisor];
  const aclLines = ['user default off', ...everyone.map(aclLine)];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return superviseServer({
    name: 'redis-sentinel',
    folder,
    port,
    async prepare(onPort) {
      await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
      await writeFile(join(folder, 'users.acl'), `${aclLines.join('\n')}\n`, { mode: 0o600 });
      await writeFile(config, `${configLines(options, folder, onPort).join('\n')}\n`, { mode: 0o600 });
    },
    removeData: () => rm(join(folder, 'data'), { recursive: true, force: true }),
    command: { path, args: [config, '--sentinel'] },
    ask: (onPort) => askRedis(onPort, tls.caPem, supervisor),
    stopSignal: 'SIGTERM',
  });
}

function configLines(options: SentinelOptions, folder: string, port: number): readonly string[] {
  const { tls, peer, master, quorum, downAfterMs, failoverTimeoutMs = 10_000 } = options;
  checkCredentials(master.name, master.password);
  checkCredentials(master.user, master.password);
  return [
    ...tlsLines(tls, port),
    `dir ${quotePath(join(folder, 'data'))}`,
    `aclfile ${quotePath(join(folder, 'users.acl'))}`,
    `sentinel sentinel-user ${peer.name}`,
    `sentinel sentinel-pass ${peer.password}`,
    `sentinel monitor ${master.name} 127.0.0.1 ${master.port} ${quorum}`,
    `sentinel auth-user ${master.name} ${master.user}`,
    `sentinel auth-pass ${master.name} ${master.password}`,
    `sentinel down-after-milliseconds ${master.name} ${downAfterMs}`,
    `sentinel failover-timeout ${master.name} ${failoverTimeoutMs}`,
    `sentinel parallel-syncs ${master.name} 1`,
  ];
}
