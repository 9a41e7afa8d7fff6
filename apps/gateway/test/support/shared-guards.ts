/** Guards of several gateways on one Redis, for tests of what goes wrong. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { systemClock, type Clock } from '@sallyport/service/clock';
import { memoryLog } from '@sallyport/service/testing';
import { redisReplayGuard, type SharedGuard } from '../../src/guard/redis.ts';
import type { RedisTarget } from '../../src/guard/redis-target.ts';
import { until } from './world.ts';

export type { SharedGuard };

/** As a gateway opens it; not necessarily ready. */
export async function openGuard(target: RedisTarget, clock: Clock = systemClock()): Promise<SharedGuard> {
  return redisReplayGuard(target)({ clock, log: memoryLog() });
}

export const isReady = (shared: SharedGuard): Promise<boolean> =>
  shared.ready().then(
    () => true,
    () => false,
  );

export async function readyGuard(target: RedisTarget, clock?: Clock): Promise<SharedGuard> {
  const shared = await openGuard(target, clock);
  await until(() => isReady(shared), 10_000);
  return shared;
}

/** How long it took to be refused; fails when it was not. */
export async function refusedWithin(work: Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause ?? new Error('rejected'),
  );
  if (error === undefined) throw new Error('it was not refused');
  return performance.now() - startedAt;
}

export type SwitchProxy = AsyncDisposable & { readonly port: number; to(port: number): void };

/** What stands for a name that is pointed to another server: connections break, new ones go there. */
export async function switchProxy(first: number): Promise<SwitchProxy> {
  let target = first;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    to(port) {
      target = port;
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
