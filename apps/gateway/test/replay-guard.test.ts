import { systemClock } from '@sallyport/service/clock';
import { memoryLog, serverSuite } from '@sallyport/service/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisReplayGuard, type SharedGuard } from '../src/guard/redis.ts';
import type { RedisTarget } from '../src/guard/redis-target.ts';
import { memoryReplayGuard } from '../src/guard/memory.ts';
import { casesOf, replayGuardContract } from './contract/replay-guard.ts';
import { MASTER_NAME, redisWorld, startCluster, type RedisWorld } from './support/redis.ts';
import { until } from './support/world.ts';

replayGuardContract('memory', (clock) => Promise.resolve(memoryReplayGuard({ clock })));

const suite = await serverSuite('redis');
const kinds: Readonly<Record<string, (world: RedisWorld) => Promise<RedisTarget>>> = {
  standalone: async (world) => world.target((await world.start()).port),
  sentinel: async (world) => {
    const { port } = await world.sentinel(await world.start(), 1);
    return world.target(port, { kind: 'sentinel', name: MASTER_NAME });
  },
  cluster: async (world) => {
    const servers = await startCluster(world);
    return world.target(0, {
      kind: 'cluster',
      nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    });
  },
};

for (const [kind, start] of Object.entries(kinds)) {
  describe.skipIf(suite.skip)(suite.title(`Redis, ${kind}`), () => {
    let world: RedisWorld;
    let target: RedisTarget;
    const opened: SharedGuard[] = [];
    beforeAll(async () => {
      world = await redisWorld();
      target = await start(world);
    }, 60_000);
    afterAll(async () => {
      for (const shared of opened) await shared[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    });
    replayGuardContract(`redis ${kind}`, async (clock) => {
      const shared = await redisReplayGuard(target)({
        clock: { ...systemClock(), now: () => clock.now() },
        log: memoryLog(),
      });
      opened.push(shared);
      await until(() =>
        shared.ready().then(
          () => true,
          () => false,
        ),
      );
      return shared.guard;
    });
  });
}

test('every implementation has every case', () => {
  const counts = ['memory', ...Object.keys(kinds).map((kind) => `redis ${kind}`)].map((implementation) => ({
    implementation,
    cases: casesOf(implementation).length,
    run: suite.skip && implementation !== 'memory' ? 'skipped' : 'yes',
  }));
  process.stdout.write(
    `replay guard contract: ${counts.map((each) => `${each.implementation} x ${each.cases} (${each.run})`).join(', ')}\n`,
  );
  expect(new Set(counts.map(({ cases }) => cases))).toEqual(new Set([casesOf('memory').length]));
});
