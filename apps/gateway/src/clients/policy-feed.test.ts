import { create, toBinary } from '@bufbuild/protobuf';
import type { OfferResult } from '@sallyport/policy-engine';
import { eventsv1, type policyv1 } from '@sallyport/proto';
import { memoryBus } from '@sallyport/service/bus';
import { manualClock, type ManualClock } from '@sallyport/service/clock';
import { bundleFeed, heartbeatSubject } from '@sallyport/service/feed';
import { memoryLog } from '@sallyport/service/testing';
import { afterEach, expect, test } from 'vitest';
import { startPolicyFeed } from './policy-feed.ts';

const stack: AsyncDisposableStack[] = [];
afterEach(async () => {
  for (const each of stack.splice(0)) await each.disposeAsync();
});

/** A bundle is one byte: its revision. */
async function start(newest: number, problem?: (revision: number) => OfferResult | undefined) {
  const clock: ManualClock = manualClock();
  const cleanup = new AsyncDisposableStack();
  stack.push(cleanup);
  const bus = cleanup.use(memoryBus({ clock }));
  const source = { newest, isUp: true };
  const seen = {
    pulled: [] as bigint[],
    offered: [] as number[],
    confirmed: [] as number[],
    reported: [] as bigint[],
  };
  const holder = {
    revision: 0,
    remembered: 0,
    restore: async () => undefined,
    confirm: (revision: number) => void seen.confirmed.push(revision),
    async offer(bytes: Uint8Array): Promise<OfferResult> {
      const revision = bytes[0] ?? 0;
      seen.offered.push(revision);
      const refused = problem?.(revision);
      if (refused !== undefined) return refused;
      holder.revision = revision;
      return { kind: 'swapped', revision, isPersisted: true };
    },
    rememberAge: async () => void (holder.remembered += 1),
  };
  const feed = cleanup.use(
    await startPolicyFeed({
      holder,
      bus,
      clock,
      log: memoryLog(),
      instance: 'gateway#1',
      policy: {
        async getBundle({ currentRevision = 0n }: { readonly currentRevision?: bigint }) {
          seen.pulled.push(currentRevision);
          if (!source.isUp) throw new Error('policy-service is away');
          const bundle = Number(currentRevision) >= source.newest ? [] : [source.newest];
          const answer = { revision: BigInt(source.newest), bundle: Uint8Array.from(bundle) };
          return answer as unknown as policyv1.GetBundleResponse;
        },
        async reportRevision({ revision = 0n }: { readonly revision?: bigint }) {
          seen.reported.push(revision);
          return {} as policyv1.ReportRevisionResponse;
        },
      },
    }),
  );
  await feed.ask();
  const beat = (lastNumber: number): Promise<void> =>
    bus.publish(
      heartbeatSubject(bundleFeed),
      toBinary(
        eventsv1.FeedHeartbeatSchema,
        create(eventsv1.FeedHeartbeatSchema, { lastNumber: BigInt(lastNumber) }),
      ),
    );
  return { ...seen, seen, source, holder, feed, clock, beat };
}

test('the newest is pulled, verified, reported once, and its age noted', async () => {
  const { seen, holder, feed } = await start(3);
  await feed.ask();
  expect(seen.offered).toEqual([3]);
  expect(seen.reported).toEqual([3n]);
  expect(seen.confirmed).toContain(3);
  expect(holder.remembered).toBe(1);
  expect(feed.status()).toMatchObject({ state: 'following', applied: 3n, lag: 0n });
});

test('a heartbeat that names what is in force makes it young without a question', async () => {
  const { seen, clock, beat } = await start(3);
  seen.confirmed.length = 0;
  clock.advance(60_000);
  await beat(3);
  await expect.poll(() => seen.confirmed).toEqual([3]);
});

test('one that names a newer one gets it pulled', async () => {
  const { seen, source, beat, holder } = await start(3);
  source.newest = 5;
  await beat(5);
  await expect.poll(() => holder.revision).toBe(5);
  expect(seen.reported).toEqual([3n, 5n]);
});

test('a policy-service that lags takes nothing back and confirms nothing', async () => {
  const { seen, source, holder, feed } = await start(3);
  seen.confirmed.length = 0;
  source.newest = 2;
  await feed.ask();
  expect(holder.revision).toBe(3);
  expect(seen.confirmed).toEqual([]);
});

test('what was refused confirms nothing and is not fetched again at every turn, but after a while', async () => {
  const refused = { kind: 'refused', problem: 'unfit' } as const;
  const { seen, source, holder, feed, clock } = await start(3, (revision) =>
    revision === 4 ? refused : undefined,
  );
  seen.confirmed.length = 0;
  source.newest = 4;
  for (let i = 0; i < 5; i += 1) await feed.ask();
  expect(seen.offered).toEqual([3, 4]);
  expect(holder.revision).toBe(3);
  expect(seen.confirmed).toEqual([]);
  clock.advance(5_001);
  await feed.ask();
  expect(seen.offered).toEqual([3, 4, 4]);
});

test('a key that is not known yet is no refusal to remember', async () => {
  let isKnown = false;
  const unknown = { kind: 'refused', problem: 'key_unknown' } as const;
  const { holder, feed } = await start(3, () => (isKnown ? undefined : unknown));
  expect(holder.revision).toBe(0);
  isKnown = true;
  await feed.ask();
  expect(holder.revision).toBe(3);
});
