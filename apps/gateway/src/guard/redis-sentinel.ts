/**
 * The master that the sentinels name, and no other: a connection ends when they name another one, when the server says
 * that it is a replica, or when it breaks. The client library's own Sentinel mode sends again what was in flight when a
 * connection broke, and waits without a bound; a guard may do neither.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs, createRedisClient, type RedisClient } from './redis-client.ts';
import type { RedisLink } from './redis-link-port.ts';
import type { RedisNode, RedisTarget } from './redis-target.ts';

/** How often the sentinels are asked whether the master is still the one. */
const ASK_EVERY_MS = 1_000;

export function sentinelLink(target: RedisTarget): RedisLink {
  const closing = new AbortController();
  let current: RedisClient | undefined;
  let problem: Error | undefined;

  /** The first sentinel that answers. */
  async function namedMaster(): Promise<RedisNode> {
    for (const node of target.nodes) {
      const sentinel = createRedisClient(target, node, false);
      sentinel.on('error', (error: Error) => (problem = error));
      try {
        await sentinel.connect();
        const reply = await sentinel.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', target.name ?? '']);
        const [host, port] = Array.isArray(reply) ? reply.map(String) : [];
        if (host !== undefined && port !== undefined) return { host, port: Number(port) };
        problem = new Error(`the sentinel at ${node.host}:${node.port} knows no master ${target.name ?? ''}`);
      } catch (error) {
        problem = error as Error;
      } finally {
        sentinel.destroy();
      }
    }
    throw problem ?? new Error('no sentinel answers');
  }

  async function connect({ host, port }: RedisNode): Promise<RedisClient> {
    const client = createRedisClient(target, { host, port }, false);
    client.on('error', (error: Error) => (problem = error));
    try {
      await client.connect();
      const role = await client.sendCommand(['ROLE']);
      if (!Array.isArray(role) || String(role[0]) !== 'master')
        throw new Error(`${host}:${port} is no master`);
      return client;
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  /** Keeps to one master as long as it is the one. */
  async function follow(): Promise<void> {
    const master = await namedMaster();
    const client = await connect(master);
    if (closing.signal.aborted) return client.destroy();
    current = client;
    problem = undefined;
    try {
      while (client.isReady) {
        await delay(ASK_EVERY_MS, undefined, { signal: closing.signal });
        // Sentinels that are all away have not named another one.
        const named = await namedMaster().catch(() => master);
        if (named.host !== master.host || named.port !== master.port) return;
      }
    } finally {
      current = undefined;
      client.destroy();
    }
  }

  async function run(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures += 1) {
      try {
        await follow();
        failures = 0;
      } catch (error) {
        if (closing.signal.aborted) return;
        problem = error as Error;
      }
      await delay(backoffMs(failures), undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }
  void run();

  async function send(args: Parameters<RedisClient['sendCommand']>[0]): Promise<unknown> {
    const client = current;
    if (client === undefined) throw problem ?? new Error('no master is known yet');
    try {
      return await client.sendCommand(args);
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('READONLY')) client.destroy();
      throw error;
    }
  }

  return {
    send: (_key, args) => send(args),
    sendToAll: async (args) => [await send(args)],
    problem: () => problem,
    close() {
      closing.abort();
      current?.destroy();
    },
  };
}
