/**
 * Free ports of 127.0.0.1, below those that the system gives to outgoing connections (32768 and up on Linux): a server
 * that is down for a while then finds its port free again, and nobody who dials it meanwhile reaches himself.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 20_000;
const END = 30_000;
/** What Redis Cluster adds to a node's port for its bus; both stay below 32768. */
const REDIS_BUS_OFFSET = 10_000;
const REDIS_CLUSTER_END = 22_700;

/** Free now: another may take it before its server does. */
export async function freePort(options: { readonly redisCluster?: boolean } = {}): Promise<number> {
  const { redisCluster = false } = options;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(FIRST, redisCluster ? REDIS_CLUSTER_END : END);
    if (!(await isFree(port))) continue;
    if (!redisCluster || (await isFree(port + REDIS_BUS_OFFSET))) return port;
  }
  throw new Error(`no free port between ${FIRST} and ${END}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
