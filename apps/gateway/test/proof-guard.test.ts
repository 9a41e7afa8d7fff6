import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manualClock, systemClock, type Clock } from '@sallyport/service/clock';
import { memoryLog, serverSuite } from '@sallyport/service/testing';
import type { ProofGuard } from '../src/door/ports.ts';
import { memoryProofGuard } from '../src/guard/proofs.ts';
import { redisReplayGuard, type SharedGuard } from '../src/guard/redis.ts';
import type { RedisTarget } from '../src/guard/redis-target.ts';
import { proofCasesOf, proofGuardContract } from './contract/proof-guard.ts';
import { MASTER_NAME, redisWorld, startCluster, type RedisWorld } from './support/redis.ts';
import { isReady, readyGuard, refusedWithin } from './support/shared-guards.ts';
import { until } from './support/world.ts';

proofGuardContract('memory', (clock) => Promise.resolve(memoryProofGuard({ clock })));

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

/** Claims until every master of a cluster was met, so that the suite begins with a guard that knows its servers. */
async function acquainted(guard: ProofGuard, clock: Pick<Clock, 'now'>): Promise<void> {
  for (let n = 0; n < 40; n += 1) {
    const tokenId = `${String(n)} ${String(performance.now())}`;
    await guard.claim({
      thumbprint: 'suite',
      tokenId,
      issuedAtMs: clock.now(),
      notAfterMs: clock.now() + 1_000,
    });
  }
}

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
    proofGuardContract(`redis ${kind}`, async (clock) => {
      const shared = await redisReplayGuard(target)({
        clock: { ...systemClock(), now: () => clock.now() },
        log: memoryLog(),
      });
      opened.push(shared);
      await until(() => isReady(shared));
      await acquainted(shared.proofs, clock);
      return shared.proofs;
    });
  });
}

describe.skipIf(suite.skip)(suite.title('Redis, shared and faulty'), () => {
  let world: RedisWorld;
  beforeAll(async () => {
    world = await redisWorld();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const proof = (tokenId: string, issuedAtMs = Date.now()) => ({
    thumbprint: 'key',
    tokenId,
    issuedAtMs,
    notAfterMs: Date.now() + 60_000,
  });

  test('a proof that one gateway took is seen at the others', async () => {
    const { port } = await world.start();
    await using one = await readyGuard(world.target(port));
    await using other = await readyGuard(world.target(port));
    for (const { proofs } of [one, other]) await proofs.claim(proof(`hello ${String(Math.random())}`));
    await delay(5);
    expect(await one.proofs.claim(proof('a'))).toBe('new');
    expect(await other.proofs.claim(proof('a'))).toBe('seen');
  });

  test('a server that forgot: what was made before that was noticed is stale, what comes later is new', async () => {
    const server = await world.start();
    await using shared = await readyGuard(world.target(server.port));
    await shared.proofs.claim(proof('hello'));
    await delay(5);
    const before = Date.now();
    expect(await shared.proofs.claim(proof('a', before))).toBe('new');
    await server.restart({ empty: true });
    await until(() => isReady(shared), 10_000);
    expect(await shared.proofs.claim(proof('a', before))).toBe('stale');
    await delay(5);
    expect(await shared.proofs.claim(proof('b'))).toBe('new');
    expect(await shared.proofs.claim(proof('a', before))).toBe('stale');
  }, 30_000);

  test('a server that forgot: what was made after one gateway noticed is new at another that did not, once', async () => {
    const server = await world.start();
    await using one = await readyGuard(world.target(server.port));
    await using other = await readyGuard(world.target(server.port));
    for (const { proofs } of [one, other]) await proofs.claim(proof('hello'));
    await server.restart({ empty: true });
    for (const shared of [one, other]) await until(() => isReady(shared), 10_000);
    const before = Date.now() - 1_000;
    const made = (histories: readonly string[]) => () => Promise.resolve(new Set(histories));
    const old = made(other.proofs.histories());
    expect(await one.proofs.claim(proof('a', before))).toBe('stale');
    const madeIn = made(one.proofs.histories());
    expect(await other.proofs.claim({ ...proof('b', before), madeIn: old })).toBe('stale');
    expect(await other.proofs.claim({ ...proof('c', before), madeIn })).toBe('new');
    expect(await one.proofs.claim({ ...proof('c', before), madeIn })).toBe('seen');
  }, 30_000);

  test('a server that does not answer: refused within a second', async () => {
    const server = await world.start();
    await using shared = await readyGuard(world.target(server.port));
    await shared.proofs.claim(proof('hello'));
    server.signal('SIGSTOP');
    try {
      expect(await refusedWithin(shared.proofs.claim(proof('a')))).toBeLessThan(1_500);
    } finally {
      server.signal('SIGCONT');
    }
  }, 30_000);

  test('a server that is away: refused at once', async () => {
    const server = await world.start();
    await using shared = await readyGuard(world.target(server.port));
    await server.stop();
    expect(await refusedWithin(shared.proofs.claim(proof('a')))).toBeLessThan(1_500);
  }, 30_000);

  test('keys go by themselves', async () => {
    const { port } = await world.start();
    await using shared = await readyGuard(world.target(port));
    await shared.proofs.claim({ ...proof('a'), notAfterMs: Date.now() + 1_000 });
    const keys = await world.command(port, 'KEYS', '*:dpop');
    const key = /\{[A-Za-z0-9_-]{22}\}:dpop/u.exec(keys)?.[0];
    expect(key).toBeDefined();
    const ttl = Number(/:(\d+)/u.exec(await world.command(port, 'PTTL', key ?? ''))?.[1]);
    expect(ttl).toBeGreaterThan(1_000);
    expect(ttl).toBeLessThanOrEqual(11_000);
  });
});

describe('memory', () => {
  test('is bounded: a guard that is full refuses, and has room again when proofs end', async () => {
    const clock = manualClock();
    const guard = memoryProofGuard({ clock, maxProofs: 3, maxProofsPerKey: 2 });
    const claim = (thumbprint: string, tokenId: string) =>
      guard.claim({ thumbprint, tokenId, issuedAtMs: clock.now(), notAfterMs: clock.now() + 60_000 });
    expect(await claim('a', '1')).toBe('new');
    expect(await claim('a', '2')).toBe('new');
    await expect(claim('a', '3')).rejects.toThrow(/proofs/u);
    // One that was seen is still known to be.
    expect(await claim('a', '1')).toBe('seen');
    expect(await claim('b', '1')).toBe('new');
    await expect(claim('c', '1')).rejects.toThrow(/proofs/u);
    clock.advance(70_000);
    expect(await claim('c', '1')).toBe('new');
    expect(await claim('a', '3')).toBe('new');
  });
});

test('every implementation has every case', () => {
  const counts = ['memory', ...Object.keys(kinds).map((kind) => `redis ${kind}`)].map((implementation) => ({
    implementation,
    cases: proofCasesOf(implementation).length,
    run: suite.skip && implementation !== 'memory' ? 'skipped' : 'yes',
  }));
  process.stdout.write(
    `proof guard contract: ${counts.map((each) => `${each.implementation} x ${each.cases} (${each.run})`).join(', ')}\n`,
  );
  expect(new Set(counts.map(({ cases }) => cases))).toEqual(new Set([proofCasesOf('memory').length]));
});
