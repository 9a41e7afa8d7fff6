/** The way to the server that holds a key, for each kind of deployment. */
import { createCluster } from 'redis';
import { backoffMs, COMMAND_OPTIONS, connectionOptions, createRedisClient } from './redis-client.ts';
import type { RedisLink } from './redis-link-port.ts';
import { sentinelLink } from './redis-sentinel.ts';
import type { RedisTarget } from './redis-target.ts';

/** A cluster's client asks the others where the slots are, when one of its nodes has been away for this long. */
const TOPOLOGY_REFRESH_MS = 500;

/** Starts to connect, and goes on until `close`. */
export function openRedisLink(target: RedisTarget): RedisLink {
  switch (target.kind) {
    case 'standalone':
      return standaloneLink(target);
    case 'sentinel':
      return sentinelLink(target);
    case 'cluster':
      return clusterLink(target);
  }
}

function standaloneLink(target: RedisTarget): RedisLink {
  const [node] = target.nodes;
  if (node === undefined) throw new TypeError('a Redis node is needed');
  const client = createRedisClient(target, node, true);
  let problem: Error | undefined;
  client.on('error', (error: Error) => (problem = error));
  client.on('ready', () => (problem = undefined));
  client.connect().catch((error: unknown) => (problem = asError(error)));
  return {
    send: (_key, args) => client.sendCommand(args),
    sendToAll: async (args) => [await client.sendCommand(args)],
    problem: () => problem,
    close: () => client.destroy(),
  };
}

function clusterLink(target: RedisTarget): RedisLink {
  const { socket, ...rest } = connectionOptions(target);
  const cluster = createCluster({
    RESP: 3,
    rootNodes: target.nodes.map((node) => ({
      ...rest,
      socket: { ...socket, ...node, reconnectStrategy: false as const },
    })),
    defaults: { ...rest, socket: { ...socket, reconnectStrategy: backoffMs } },
    commandOptions: COMMAND_OPTIONS,
    topologyRefreshOnReconnectionAttemptStrategy: TOPOLOGY_REFRESH_MS,
    maxCommandRedirections: 4,
  });
  let problem: Error | undefined;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  cluster.on('error', (error: Error) => (problem = error));
  cluster.on('node-error', (error: Error) => (problem = error));
  cluster.on('node-ready', () => (problem = undefined));
  const connect = (retries: number): void => {
    cluster.connect().catch((error: unknown) => {
      problem = asError(error);
      if (!isClosed) timer = setTimeout(() => connect(retries + 1), backoffMs(retries));
    });
  };
  connect(0);
  return {
    async send(key, args) {
      if (!cluster.isReady) throw problem ?? new Error('the cluster is not known yet');
      // The client repeats what a server redirected, which is what that server did not do.
      return cluster.sendCommand(key, false, args);
    },
    async sendToAll(args) {
      if (!cluster.isReady) throw problem ?? new Error('the cluster is not known yet');
      const masters = cluster.masters.map(async (node) => (await cluster.nodeClient(node)).sendCommand(args));
      return Promise.all(masters);
    },
    problem: () => problem,
    close() {
      isClosed = true;
      clearTimeout(timer);
      cluster.destroy();
    },
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
