/** DESIGN.md section 12: what a gateway does when nobody can tell it what is revoked, or what the policy is. */
import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { systemClock, type Clock } from '@sallyport/service/clock';
import { heartbeatSubject, revocationFeed, type Feed } from '@sallyport/service/feed';
import { afterEach, describe, expect, test } from 'vitest';
import { createWorld, request, until, type World, type WorldOptions } from '../support/world.ts';

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world[Symbol.asyncDispose]();
});
async function worldOf(options: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  worlds.push(world);
  return world;
}

const problemOf = async (world: World, name: string): Promise<string | undefined> =>
  (await world.readiness.report()).checks.find((check) => check.name === name)?.problem;

const beat = (world: World, feed: Feed, lastNumber: bigint): Promise<void> =>
  world.bus.publish(
    heartbeatSubject(feed),
    toBinary(eventsv1.FeedHeartbeatSchema, create(eventsv1.FeedHeartbeatSchema, { lastNumber })),
  );

describe('revocations', () => {
  test('one that no bus announced ends its session within a second', async () => {
    const world = await worldOf({});
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    await session.ping();
    const startedAt = performance.now();
    world.services.revoked.push(session.id);
    await until(async () => (await world.metric('sessions')) === 0, 1_000);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test('with bus and auth-service dead, frames are refused retryably and readiness says so, until one is back', async () => {
    const world = await worldOf({ config: { revocations: { deadAfterMs: 1_000 } } });
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    world.services.broken.add('revocations');
    await session.ping();
    expect(await problemOf(world, 'revocations')).toBeUndefined();
    await until(async () => (await problemOf(world, 'revocations')) !== undefined);
    expect(await problemOf(world, 'revocations')).toContain('the feed of revocations is dead');
    carrier.send(session.seal(request('echo', 'unchecked')));
    expect(await session.answers()).toMatchObject([{ kind: 'refusal', text: 'unavailable' }]);
    expect(world.records().filter(({ phase }) => phase === 'outcome')).toHaveLength(1);

    // One way is enough: a heartbeat that says that nothing is missing.
    await beat(world, revocationFeed, 0n);
    await until(async () => (await problemOf(world, 'revocations')) === undefined);
    await session.ping();
  });
});

describe('policy', () => {
  /** A clock whose durations can be made to have passed. */
  function skippingClock(): Clock & { skip(ms: number): void } {
    const real = systemClock();
    let skippedMs = 0;
    return {
      now: () => real.now(),
      monotonic: () => real.monotonic() + skippedMs,
      skip: (ms) => void (skippedMs += ms),
    };
  }

  test('a bundle of unknown age decides up to its limit, then denies by a reason of its own, until it is known again', async () => {
    const clock = skippingClock();
    const world = await worldOf({ clock, config: { policy: { maxAgeMs: 600_000 } } });
    await using carrier = await world.carrier();
    const session = await world.session(carrier);
    world.services.broken.add('policy');
    await until(() => world.logged().includes('"feed":"policy"'));
    const pass = async (ms: number): Promise<void> => {
      clock.skip(ms);
      // The other feed is asked about, and answers.
      await until(async () => (await problemOf(world, 'revocations')) === undefined);
    };
    await pass(500_000);
    await session.ping();
    expect(await world.metric('policy_bundle_age_seconds')).toBeGreaterThan(499);
    expect(await problemOf(world, 'policy')).toBeUndefined();

    await pass(200_000);
    carrier.send(session.seal(request('echo', 'under an old policy')));
    await expect.poll(async () => (await session.answers()).map(({ text }) => text)).toContain('denied');
    await until(() => world.records().some(({ reason }) => reason === 'policy_stale'));
    expect(await problemOf(world, 'policy')).toMatch(
      /^policy revision 1 was last known to be the newest 70\d s ago/u,
    );

    world.services.broken.delete('policy');
    await until(async () => (await problemOf(world, 'policy')) === undefined);
    await session.ping();
  });
});
