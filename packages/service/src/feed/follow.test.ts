import { create, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { memoryBus, type Bus } from '../bus/index.ts';
import { manualClock } from '../clock/index.ts';
import { createMetrics } from '../metrics/index.ts';
import { memoryLog } from '../testing/log.ts';
import { revocationFeed as feed, heartbeatSubject } from './feeds.ts';
import { followFeed, type Follower, type FollowOptions } from './follow.ts';
import { feedMeter } from './measure.ts';
import { startHeartbeat } from './publish.ts';

/** The database of a publisher: items from 1 on. Each replica answers and beats from what it sees of it. */
type Replica = { sees: bigint; isUp: boolean };

const STEP_MS = 10;
const stack: AsyncDisposableStack[] = [];
beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] }),
);
afterEach(async () => {
  for (const each of stack.splice(0)) await each.disposeAsync();
  vi.useRealTimers();
});

function world(options: Partial<FollowOptions> = {}) {
  const clock = manualClock();
  const bus = memoryBus({ clock });
  const log = memoryLog();
  const metrics = createMetrics({ service: 'gateway' });
  const cleanup = new AsyncDisposableStack();
  stack.push(cleanup);
  const replica: Replica = { sees: 0n, isUp: true };
  const polls: { atMs: number; after: bigint }[] = [];
  const effects: bigint[] = [];
  const current: bigint[] = [];
  let underWay = 0;
  let refusals = 0;

  /** Lets `ms` pass for timers and clock, and the bus deliver. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      clock.advance(STEP_MS);
      await vi.advanceTimersByTimeAsync(STEP_MS);
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const beatOf = (from: Replica): AsyncDisposable =>
    startHeartbeat({
      feed,
      bus,
      clock,
      log,
      publisher: 'svc/auth-service#1',
      last: async () => {
        if (!from.isUp) throw new Error('the database is away');
        return from.sees;
      },
    });
  const announce = (number: bigint): Promise<void> =>
    bus.publish(
      feed.subject,
      toBinary(eventsv1.SessionRevokedSchema, create(eventsv1.SessionRevokedSchema, { number })),
    );
  const take = async (number: bigint): Promise<void> => {
    if (refusals > 0) {
      refusals -= 1;
      throw new Error('no effect');
    }
    effects.push(number);
  };
  async function follow(): Promise<Follower> {
    const follower = await followFeed({
      feed,
      bus,
      clock,
      log,
      meter: feedMeter(metrics),
      read: (payload) => {
        if (payload.length === 1) return undefined;
        const { number } = eventsOf(payload);
        return { number, apply: () => take(number) };
      },
      async poll(applied) {
        polls.push({ atMs: clock.monotonic(), after: applied });
        expect((underWay += 1)).toBe(1);
        try {
          await new Promise((resolve) => setTimeout(resolve, STEP_MS));
          if (!replica.isUp) throw new Error('auth-service is away');
          for (let n = applied + 1n; n <= replica.sees; n += 1n) await take(n);
          return { through: replica.sees, last: replica.sees };
        } finally {
          underWay -= 1;
        }
      },
      onCurrent: (number) => void current.push(number),
      ...options,
    });
    cleanup.use(follower);
    return follower;
  }
  const beats = (from: Replica = replica): AsyncDisposable => cleanup.use(beatOf(from));
  /** Up, following, and through with the first poll. */
  async function started() {
    const heart = beats();
    const follower = await follow();
    await pass(100);
    polls.length = 0;
    return { follower, heart };
  }
  const refuse = (times: number): void => void (refusals = times);
  return {
    ...{ clock, bus, log, metrics, replica, polls, effects, current },
    pass,
    announce,
    follow,
    beats,
    started,
    refuse,
  };
}

function eventsOf(payload: Uint8Array): { number: bigint } {
  // A varint field of small numbers: tag 0x08, value.
  return { number: BigInt(payload[1] ?? 0) };
}

const unreadable = (bus: Bus): Promise<void> => bus.publish(feed.subject, new Uint8Array([1]));

describe('while the bus works', () => {
  test('announcements take effect in order and nobody is asked', async () => {
    const { started, announce, pass, effects, replica, polls } = world();
    const { follower } = await started();
    for (const n of [1n, 2n, 3n]) {
      replica.sees = n;
      await announce(n);
      await pass(STEP_MS);
    }
    await pass(2_000);
    expect(effects).toEqual([1n, 2n, 3n]);
    expect(polls).toEqual([]);
    expect(follower.status()).toMatchObject({ state: 'following', applied: 3n, lag: 0n });
  });

  test('one that is lost is known from the next heartbeat and fetched', async () => {
    const { started, pass, effects, replica, polls } = world();
    await started();
    replica.sees = 1n;
    await pass(300);
    expect(effects).toEqual([1n]);
    expect(polls).toHaveLength(1);
  });

  test('one that comes twice takes effect once', async () => {
    const { started, announce, pass, effects, replica, polls } = world();
    await started();
    replica.sees = 1n;
    await announce(1n);
    await announce(1n);
    await pass(1_000);
    expect(effects).toEqual([1n]);
    expect(polls).toEqual([]);
  });

  test('one that comes before its turn takes effect at once, and the gap is fetched', async () => {
    const { started, announce, pass, effects, replica, metrics } = world();
    const { follower } = await started();
    replica.sees = 3n;
    await announce(3n);
    await pass(STEP_MS);
    expect(effects[0]).toBe(3n);
    await pass(50);
    expect(follower.status()).toMatchObject({ applied: 3n, lag: 0n });
    expect(new Set(effects)).toEqual(new Set([1n, 2n, 3n]));
    await announce(1n);
    await announce(2n);
    await pass(100);
    expect(follower.status().applied).toBe(3n);
    expect(await metrics.exposition()).toContain(
      'sallyport_feed_gaps_total{feed="revocations",service="gateway"} 1',
    );
  });

  test('one that cannot be read, or that has no number, makes us ask', async () => {
    const { started, announce, bus, pass, polls } = world();
    await started();
    await pass(250);
    await unreadable(bus);
    await pass(50);
    expect(polls).toHaveLength(1);
    await pass(250);
    await announce(0n);
    await pass(50);
    expect(polls).toHaveLength(2);
  });

  test('a flood that cannot be read sets no pace and fills no log', async () => {
    const { started, bus, pass, polls, log } = world();
    const { follower } = await started();
    for (let sent = 0; sent < 100; sent += 1) {
      await unreadable(bus);
      await pass(10);
    }
    expect(polls.length).toBeLessThanOrEqual(5);
    expect(polls.length).toBeGreaterThanOrEqual(3);
    expect(log.lines.filter(({ message }) => message === 'an announcement could not be read')).toHaveLength(
      1,
    );
    expect(follower.status().state).toBe('following');
  });

  test('one that did not take effect is fetched until it does', async () => {
    const { started, announce, pass, effects, replica, refuse } = world();
    const { follower } = await started();
    replica.sees = 1n;
    refuse(2);
    await announce(1n);
    await pass(50);
    expect(effects).toEqual([]);
    expect(follower.status().lag).toBe(1n);
    await pass(1_000);
    expect(effects).toEqual([1n]);
    expect(follower.status().lag).toBe(0n);
  });

  test('heartbeats alone keep it fresh, and metrics show it', async () => {
    const { started, pass, current, metrics } = world();
    const { follower } = await started();
    await pass(5_000);
    expect(follower.status().ageMs).toBeLessThanOrEqual(260);
    expect(current.length).toBeGreaterThan(15);
    await expect(follower.check()).resolves.toBeUndefined();
    const text = await metrics.exposition();
    expect(text).toMatch(/sallyport_feed_age_seconds\{feed="revocations",service="gateway"\} 0\.\d+/u);
    expect(text).toContain(
      'sallyport_feed_polls_total{feed="revocations",result="answered",service="gateway"} 1',
    );
  });
});

describe('when the bus is silent', () => {
  test('asking begins after 500 ms, every 250 ms, and what was revoked takes effect within a second', async () => {
    const { started, pass, polls, effects, replica, clock } = world();
    const { follower, heart } = await started();
    await heart[Symbol.asyncDispose]();
    const silentAt = clock.monotonic();
    replica.sees = 1n;
    await pass(2_000);
    expect(effects).toEqual([1n]);
    const [first, ...later] = polls.map(({ atMs }) => atMs - silentAt);
    expect(first).toBeLessThanOrEqual(510);
    expect(first).toBeGreaterThan(200);
    for (const [i, at] of later.entries())
      expect(at - (polls[i]?.atMs ?? 0) + silentAt).toBeLessThanOrEqual(290);
    expect(later.length).toBeGreaterThanOrEqual(4);
    expect(follower.status().state).toBe('following');
    await pass(60_000);
    expect(follower.isDead()).toBe(false);
  });

  test('heartbeats end the asking', async () => {
    const { started, pass, polls, beats } = world();
    const { heart } = await started();
    await heart[Symbol.asyncDispose]();
    await pass(2_000);
    beats();
    await pass(300);
    polls.length = 0;
    await pass(3_000);
    expect(polls).toEqual([]);
  });
});

describe('when both ways are dead', () => {
  test('it says so after 30 s, not before, asks at most once a second, and recovers by itself', async () => {
    const { started, pass, replica, polls } = world();
    const { follower } = await started();
    replica.isUp = false; // heartbeats need the database too
    await pass(29_000);
    expect(follower.isDead()).toBe(false);
    await expect(follower.check()).resolves.toBeUndefined();
    await pass(2_000);
    expect(follower.isDead()).toBe(true);
    await expect(follower.check()).rejects.toMatchObject({ reason: 'unavailable' });
    expect(polls.length).toBeLessThan(35);
    expect(polls.length).toBeGreaterThan(25);
    replica.isUp = true;
    await pass(1_100);
    expect(follower.isDead()).toBe(false);
    await expect(follower.check()).resolves.toBeUndefined();
  });

  test('from the beginning: never known, then dead', async () => {
    const { follow, pass, replica } = world({ deadAfterMs: 5_000 });
    replica.isUp = false;
    const follower = await follow();
    await pass(1_000);
    expect(follower.status().state).toBe('starting');
    await expect(follower.check()).rejects.toThrow('not known yet');
    await pass(5_000);
    expect(follower.status().state).toBe('dead');
  });

  test('a bus that names numbers nobody can be asked about is no life', async () => {
    const { started, pass, replica, announce, beats } = world({ deadAfterMs: 5_000 });
    const { follower } = await started();
    const other: Replica = { sees: 2n, isUp: true };
    beats(other);
    replica.isUp = false;
    await announce(2n);
    await pass(6_000);
    expect(follower.isDead()).toBe(true);
    expect(follower.status()).toMatchObject({ lag: 2n });
  });

  test('a poll that hangs is one poll', async () => {
    const never = world({ deadAfterMs: 5_000, poll: () => new Promise(() => undefined) });
    const follower = await never.follow();
    await never.pass(6_000);
    expect(follower.isDead()).toBe(true);
    stack.length = 0; // it cannot be disposed of: its contract is broken
  });
});

describe('polls that fail', () => {
  const told = ({ lines }: { readonly lines: readonly { level: string; message: string }[] }) =>
    lines.map(({ level, message }) => `${level} ${message}`);
  const AWAY = 'warn a feed could not be polled';
  const BACK = 'info a feed answers again';

  test('are no news while everything starts, though heartbeats say that nothing was published', async () => {
    const notYet = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      throw new Error('nothing was ever published');
    };
    const { follow, beats, pass, log, current } = world({ poll: notYet });
    beats();
    await follow();
    await pass(9_000);
    expect(current).toContain(0n);
    expect(told(log)).toEqual([]);
  });

  test('are told of once when they last, and so is their end', async () => {
    const { follow, pass, log, replica } = world();
    replica.isUp = false;
    await follow();
    await pass(9_900);
    expect(told(log)).toEqual([]);
    await pass(5_000);
    expect(told(log)).toEqual([AWAY]);
    replica.isUp = true;
    await pass(1_500);
    expect(told(log)).toEqual([AWAY, BACK]);
  });

  test('are told of at once when something took effect before', async () => {
    const { started, pass, log, replica } = world();
    replica.sees = 1n;
    const { heart } = await started();
    await heart[Symbol.asyncDispose]();
    replica.isUp = false;
    await pass(1_500);
    expect(told(log)).toEqual([AWAY]);
  });

  test('two short times are not a long one', async () => {
    const { started, pass, log, replica } = world();
    const { heart } = await started();
    await heart[Symbol.asyncDispose]();
    for (let time = 0; time < 2; time += 1) {
      replica.isUp = false;
      await pass(6_000);
      replica.isUp = true;
      await pass(1_500);
    }
    expect(told(log)).toEqual([]);
  });
});

describe('publishers', () => {
  test('one that is restarted goes on where its database is', async () => {
    const { started, pass, beats, announce, replica, effects } = world();
    const { follower, heart } = await started();
    replica.sees = 1n;
    await announce(1n);
    await pass(300);
    await heart[Symbol.asyncDispose]();
    replica.sees = 2n; // committed, and it died before it announced
    await pass(100);
    beats();
    await pass(50);
    expect(effects).toEqual([1n, 2n]);
    expect(follower.status()).toMatchObject({ state: 'following', lag: 0n });
  });

  test('one whose database was restored vouches for nothing, and readiness says what to do', async () => {
    const { started, pass, replica } = world({ deadAfterMs: 2_000 });
    replica.sees = 9n;
    const { follower } = await started();
    replica.sees = 4n;
    await pass(3_000);
    expect(follower.status()).toMatchObject({ state: 'dead', applied: 9n });
    await expect(follower.check()).rejects.toThrow(/names 4 where 9 took effect.*started again/u);
    replica.sees = 9n;
    await pass(600);
    await follower.check();
  });

  test('of two, one that lags takes nothing back and vouches for nothing', async () => {
    const { started, pass, beats, announce, replica, effects, polls } = world({ deadAfterMs: 5_000 });
    const { follower, heart } = await started();
    beats({ sees: 0n, isUp: true });
    replica.sees = 1n;
    await announce(1n);
    await pass(2_000);
    expect(effects).toEqual([1n]);
    expect(polls).toEqual([]);
    expect(follower.status()).toMatchObject({ applied: 1n, state: 'following' });
    // Alone, it does not keep the follower from asking.
    await heart[Symbol.asyncDispose]();
    await pass(1_000);
    expect(polls.length).toBeGreaterThan(0);
    // And when it is all that can be asked, what it says is not what is known.
    replica.sees = 0n;
    await pass(6_000);
    expect(follower.isDead()).toBe(true);
    expect(follower.status().applied).toBe(1n);
  });

  test('a publisher that cannot read its database is silent, and says so once', async () => {
    const { started, pass, replica, log } = world();
    await started();
    replica.isUp = false;
    await pass(2_000);
    expect(log.lines.filter(({ message }) => message === 'a feed has no heartbeat')).toHaveLength(1);
  });

  test('a number that took long to read is not published', async () => {
    const { bus, clock, log, pass } = world();
    const beats: string[] = [];
    await bus.subscribe(heartbeatSubject(feed), {}, async ({ subject }) => void beats.push(subject));
    const slow = async (): Promise<bigint> => {
      clock.advance(600);
      return 1n;
    };
    const heart = startHeartbeat({ feed, bus, clock, log, publisher: 'p', last: slow });
    await pass(600);
    await heart[Symbol.asyncDispose]();
    expect(beats).toEqual([]);
  });
});

test('a long list comes in pages, without waiting between them', async () => {
  const pages = world({
    poll: async (applied) => ({ through: applied + 10n > 100n ? 100n : applied + 10n, last: 100n }),
  });
  const follower = await pages.follow();
  await pages.pass(200);
  expect(follower.status()).toMatchObject({ applied: 100n, state: 'following' });
});
