/** Redis as the cluster profile has it, for tests: TLS, one user with exactly the guard's rights. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import {
  redisAcl,
  startRedis,
  startSentinel,
  type LocalServer,
  type RedisOptions,
} from '@sallyport/service/local-servers';
import { serverFolders, type ServerFolders } from '@sallyport/service/testing';
import { REDIS_ACL, SENTINEL_ACL } from '../../src/guard/redis-acl.ts';
import type { RedisTarget } from '../../src/guard/redis-target.ts';

const secret = (): string => randomBytes(24).toString('base64url');

export type RedisWorld = AsyncDisposable & {
  readonly folders: ServerFolders;
  readonly user: { readonly name: string; readonly password: string };
  /** May do everything: what an operator or a fault does. */
  readonly operator: { readonly name: string; readonly password: string };
  start(options?: Partial<RedisOptions>): Promise<LocalServer>;
  sentinel(master: LocalServer, quorum: number): Promise<LocalServer>;
  /** The guard's way there; `port` may be a proxy's. */
  target(port: number, more?: Partial<RedisTarget>): RedisTarget;
  /** One command as the operator; the raw first line of the answer, or the whole of it where it has more. */
  command(port: number, ...args: string[]): Promise<string>;
  commandAll(servers: readonly LocalServer[], ...args: string[]): Promise<void>;
  /** How many replicas the sentinel knows. */
  sentinelReplicas(port: number): Promise<number>;
  /** As a replica of `master`. */
  replicaOf(master: LocalServer): NonNullable<RedisOptions['replicaOf']>;
};

export const MASTER_NAME = 'sallyport';

export async function redisWorld(): Promise<RedisWorld> {
  const stack = new AsyncDisposableStack();
  const folders = stack.use(await serverFolders());
  const user = { name: 'gateway', password: secret() };
  const operator = { name: 'operator', password: secret() };
  const peer = { name: 'peer', password: secret() };
  const sentinel = { name: 'sentinel', password: secret() };
  const { tls } = folders;
  return {
    folders,
    user,
    operator,
    async start(options = {}) {
      const users = [
        { ...user, acl: REDIS_ACL.join(' ') },
        { ...operator, acl: '~* &* +@all' },
        { ...sentinel, acl: redisAcl.sentinel },
      ];
      return stack.use(await startRedis({ folder: await folders.folder(), tls, users, ...options }));
    },
    async sentinel(master, quorum) {
      return stack.use(
        await startSentinel({
          folder: await folders.folder(),
          tls,
          users: [{ ...user, acl: SENTINEL_ACL.join(' ') }],
          peer,
          master: { name: MASTER_NAME, port: master.port, user: sentinel.name, password: sentinel.password },
          quorum,
          downAfterMs: 500,
          failoverTimeoutMs: 3_000,
        }),
      );
    },
    target: (port, more = {}) => ({
      kind: 'standalone',
      nodes: [{ host: '127.0.0.1', port }],
      username: user.name,
      password: user.password,
      caPem: tls.caPem,
      ...more,
    }),
    command: (port, ...args) => ask(port, tls.caPem, operator, args),
    async commandAll(servers, ...args) {
      for (const { port } of servers) await ask(port, tls.caPem, operator, args);
    },
    async sentinelReplicas(port) {
      const answer = await ask(port, tls.caPem, peer, ['SENTINEL', 'REPLICAS', MASTER_NAME]);
      return Number(/^\*(\d+)/u.exec(answer)?.[1] ?? 0);
    },
    replicaOf: ({ port }) => ({ port, user: operator.name, password: operator.password }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Inline commands, and a PING to know where the answer ends. */
async function ask(
  port: number,
  ca: string,
  { name, password }: RedisWorld['operator'],
  args: readonly string[],
): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca });
  const end = `+${secret()}`;
  socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
  try {
    socket.write(`AUTH ${name} ${password}\r\n`);
    const bulk = [...args].map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('');
    socket.write(`*${args.length}\r\n${bulk}PING ${end}\r\n`);
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.endsWith(`${end}\r\n`)) break;
    }
    const answer = text.slice('+OK\r\n'.length, text.lastIndexOf('$')).trimEnd();
    if (answer.startsWith('-')) throw new Error(answer);
    return answer;
  } finally {
    socket.destroy();
  }
}

/** Three masters that share all slots. */
export async function startCluster(world: RedisWorld): Promise<readonly LocalServer[]> {
  const servers = [];
  for (let node = 0; node < 3; node += 1) {
    servers.push(await world.start({ cluster: true, extra: ['cluster-node-timeout 2000'] }));
  }
  const [first] = servers;
  for (const [index, { port }] of servers.entries()) {
    const from = Math.floor((index * 16_384) / 3);
    const to = Math.floor(((index + 1) * 16_384) / 3) - 1;
    await world.command(port, 'CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    await world.command(port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    if (first !== undefined && index > 0)
      await world.command(port, 'CLUSTER', 'MEET', '127.0.0.1', String(first.port));
  }
  const deadline = performance.now() + 20_000;
  for (const { port } of servers) {
    while (!(await world.command(port, 'CLUSTER', 'INFO')).includes('cluster_state:ok')) {
      if (performance.now() > deadline) throw new Error('the cluster did not form');
      await delay(50);
    }
  }
  return servers;
}
