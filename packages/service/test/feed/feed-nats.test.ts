/** A feed over a real NATS server, each end with the rights that its service has. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock/index.ts';
import { announce, followFeed, revocationFeed as feed, startHeartbeat } from '../../src/feed/index.ts';
import { openNatsBus } from '../../src/nats/index.ts';
import { memoryLog, serverSuite, startNatsRig } from '../../src/testing/index.ts';

const suite = await serverSuite('nats');
const clock = systemClock();

describe.skipIf(suite.skip)(suite.title('a feed on NATS'), () => {
  test('takes effect within a second: announced, with the announcement lost, and with NATS stopped', async () => {
    await using rig = await startNatsRig();
    await using publisher = await openNatsBus(rig.options('auth-service'));
    await using follower = await openNatsBus(rig.options('gateway'));
    const log = memoryLog();
    let last = 0n;
    let polls = 0;
    const effects = new Set<bigint>();
    await using _heart = startHeartbeat({
      feed,
      bus: publisher,
      clock,
      log,
      publisher: 'auth-service#1',
      last: async () => last,
    });
    await using followed = await followFeed({
      feed,
      bus: follower,
      clock,
      log,
      read(payload) {
        const { number } = fromBinary(eventsv1.SessionRevokedSchema, payload);
        return { number, apply: async () => void effects.add(number) };
      },
      async poll(applied) {
        polls += 1;
        for (let n = applied + 1n; n <= last; n += 1n) effects.add(n);
        return { through: last, last };
      },
    });
    const revoke = async (isAnnounced: boolean): Promise<void> => {
      last += 1n;
      const startedAt = performance.now();
      if (isAnnounced)
        await announce(
          publisher,
          feed,
          toBinary(eventsv1.SessionRevokedSchema, create(eventsv1.SessionRevokedSchema, { number: last })),
        );
      await expect.poll(() => effects.has(last), { interval: 5, timeout: 5_000 }).toBe(true);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    };
    await expect.poll(() => followed.status().state).toBe('following');
    await sleep(600);
    polls = 0;

    await revoke(true);
    await sleep(1_000);
    expect(polls).toBe(0);
    await revoke(false);
    expect(polls).toBeGreaterThan(0);

    await rig.server.stop();
    await revoke(false);
    await sleep(1_000);
    expect(followed.status()).toMatchObject({ state: 'following', lag: 0n });

    await rig.server.restart();
    const quiet = async (): Promise<number> => {
      const before = polls;
      await sleep(700);
      return polls - before;
    };
    await expect.poll(quiet, { timeout: 15_000 }).toBe(0);
    await revoke(true);
  }, 60_000);
});
