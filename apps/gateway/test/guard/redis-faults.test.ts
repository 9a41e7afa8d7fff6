/** Redis away, in each way: refused within a bounded time, nothing unchecked, and back by itself (DESIGN.md section 12). */
import { setTimeout as delay } from 'node:timers/promises';
import { manualClock, systemClock } from '@sallyport/service/clock';
import { startCutProxy, type CutProxy, type LocalServer } from '@sallyport/service/local-servers';
import { serverSuite } from '@sallyport/service/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Attachment, GuardSession, RecordClaim } from '../../src/app/ports.ts';
import { COMMAND_TIMEOUT_MS } from '../../src/guard/redis-caller.ts';
import { attachment, named, record, request, verdictsOf } from '../contract/replay-guard.ts';
import { redisWorld, type RedisWorld } from '../support/redis.ts';
import { isReady, openGuard, readyGuard, refusedWithin, type SharedGuard } from '../support/shared-guards.ts';
import { until } from '../support/world.ts';

const suite = await serverSuite('redis');
/** A turn of the event loop of a busy machine more than the deadline. */
const BOUND_MS = COMMAND_TIMEOUT_MS + 700;

describe.skipIf(suite.skip)(suite.title('Redis away'), () => {
  let world: RedisWorld;
  let server: LocalServer;
  let proxy: CutProxy;
  let shared: SharedGuard;
  let session: GuardSession;
  let opened: Attachment;

  beforeAll(async () => {
    world = await redisWorld();
    server = await world.start();
  }, 60_000);
  afterAll(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    proxy = await startCutProxy({ to: { host: server.host, port: server.port } });
    shared = await readyGuard(world.target(proxy.port));
    opened = attachment(systemClock());
    session = await shared.guard.attach(opened);
  });
  afterEach(async () => {
    server.signal('SIGCONT');
    proxy.heal();
    await shared[Symbol.asyncDispose]();
    await proxy.dispose();
  });

  const admit = async (...records: RecordClaim[]): Promise<readonly string[]> =>
    verdictsOf(await shared.guard.admit(session, records));
  const back = (): Promise<void> => until(() => isReady(shared), 10_000);

  test.each<{
    readonly fault: string;
    readonly begin: () => unknown;
    readonly end: () => unknown;
    /** Afterwards the session is gone. */
    readonly forgets: boolean;
  }>([
    { fault: 'stopped', begin: () => server.stop(), end: () => server.restart(), forgets: true },
    {
      fault: 'paused',
      begin: () => server.signal('SIGSTOP'),
      end: () => server.signal('SIGCONT'),
      forgets: false,
    },
    {
      fault: 'cut off towards it',
      begin: () => proxy.cut('to-server'),
      end: () => proxy.heal(),
      forgets: false,
    },
    {
      fault: 'cut off towards us',
      begin: () => proxy.cut('to-client'),
      end: () => proxy.heal(),
      forgets: false,
    },
    { fault: 'cut off both ways', begin: () => proxy.cut('both'), end: () => proxy.heal(), forgets: false },
    { fault: 'slow', begin: () => proxy.delay(1_500), end: () => proxy.delay(0), forgets: false },
    {
      fault: 'a replica now',
      begin: () => world.command(server.port, 'REPLICAOF', '127.0.0.1', '1'),
      end: () => world.command(server.port, 'REPLICAOF', 'NO', 'ONE'),
      forgets: true,
    },
    {
      fault: 'out of memory',
      begin: () => world.command(server.port, 'CONFIG', 'SET', 'maxmemory', '1'),
      end: () => world.command(server.port, 'CONFIG', 'SET', 'maxmemory', '134217728'),
      forgets: false,
    },
    {
      fault: 'allowed to evict',
      begin: async () => {
        await world.command(server.port, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
        await until(async () => !(await isReady(shared)));
      },
      end: () => world.command(server.port, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction'),
      forgets: false,
    },
    {
      fault: 'refusing our credentials',
      begin: async () => {
        await world.command(server.port, 'ACL', 'SETUSER', 'gateway', 'off');
        proxy.reset();
      },
      end: () => world.command(server.port, 'ACL', 'SETUSER', 'gateway', 'on'),
      forgets: false,
    },
  ])('$fault: refused in time, not ready, then back by itself', async ({ begin, end, forgets }) => {
    expect(await admit(record(1, request('before')))).toEqual(['new']);
    await begin();
    const frame = [record(2, request('during'))];
    expect(await refusedWithin(shared.guard.admit(session, frame))).toBeLessThan(BOUND_MS);
    expect(await isReady(shared)).toBe(false);
    await end();
    await back();
    if (forgets) {
      expect(['epoch_required', 'session_unknown']).toContain((await admit(...frame))[0]);
      return;
    }
    // The frame may have been counted as seen or not; sent again with the same correlation it runs once.
    const resend = record(3, request('during', 'during', Date.now()));
    expect(await admit(resend)).toEqual(['new']);
    expect(await admit(resend)).toEqual(['duplicate']);
    expect(await admit(record(4, request('during', 'during', Date.now())))).toEqual(['running']);
    expect(await admit(record(5, request('before', 'before', Date.now())))).toEqual(['running']);
  });

  test('away for long: refused at once, nothing gathers, and back by itself', async () => {
    proxy.cut('both');
    await until(async () => !(await isReady(shared)), 5_000);
    await delay(4_000);
    const many = Array.from({ length: 2_000 }, (_, index) =>
      shared.guard.admit(session, [record(index + 1)]),
    );
    const startedAt = performance.now();
    const ends = await Promise.allSettled(many);
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    proxy.heal();
    await back();
    expect(await admit(record(1))).toEqual(['new']);
  });

  test('an admission without an answer is never forwarded twice: its late effect is a claim of ours', async () => {
    proxy.cut('to-client');
    const frame = [record(1, request('c1')), record(2, request('c2'))];
    await refusedWithin(shared.guard.admit(session, frame));
    proxy.heal();
    await back();
    expect(await admit(...frame)).toEqual(['duplicate', 'duplicate']);
    const resends = [3, 4, 5].map((seq) => admit(record(seq, request('c1', 'c1', Date.now()))));
    expect((await Promise.all(resends)).flat().sort()).toEqual(['new', 'running', 'running']);
  });

  test('a conclusion that could not be told is told later', async () => {
    await admit(record(1, request('c1')));
    proxy.cut('to-server');
    const response = new TextEncoder().encode('made');
    await refusedWithin(
      shared.guard.conclude(session, [{ correlation: named('c1'), state: 'done', response }]),
    );
    proxy.heal();
    await back();
    await until(async () => (await shared.guard.response(session, named('c1'))) !== undefined);
    expect(await admit(record(2, request('c1')))).toEqual(['done']);
  });

  test('a release that comes late leaves the claim of the resend that runs by then', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    const slow = await readyGuard(world.target(proxy.port));
    try {
      const own = await slow.guard.attach(attachment(systemClock()));
      let seq = 0;
      const resend = async (): Promise<string | undefined> => {
        seq += 1;
        const verdict = await slow.guard.admit(own, [record(seq, request('c1', 'c1', Date.now()))]);
        return verdictsOf(verdict)[0];
      };
      expect(await resend()).toBe('new');
      proxy.cut('to-client');
      const released = [{ correlation: named('c1'), state: 'released', response: undefined } as const];
      await refusedWithin(slow.guard.conclude(own, released));
      proxy.heal();
      await until(async () => (await resend().catch(() => undefined)) === 'new', 10_000);
      // It is tried again now, and was done the first time.
      await vi.advanceTimersByTimeAsync(500);
      await delay(200);
      expect(await resend()).toBe('running');
      await slow.guard.conclude(own, [{ correlation: named('c1'), state: 'done', response: undefined }]);
      expect(await resend()).toBe('done');
    } finally {
      vi.useRealTimers();
      await slow[Symbol.asyncDispose]();
    }
  });

  test('restarted empty: no recorded frame is taken again, and a new session works', async () => {
    const frames = [1, 2, 3].map((seq) => [record(seq, request(`c${seq}`))]);
    for (const frame of frames) expect(await admit(...frame)).toEqual(['new']);
    await server.restart({ empty: true });
    await back();
    for (const frame of frames) expect(await admit(...frame)).toEqual(['session_unknown']);
    session = await shared.guard.attach(attachment(systemClock()));
    expect(await admit(record(1))).toEqual(['new']);
  });

  test('a wrong password from the start: not ready, and says why', async () => {
    const wrong = await openGuard({ ...world.target(server.port), password: 'not the password' });
    await until(async () => {
      const error = await wrong.ready().catch((cause: unknown) => cause);
      return String(error).includes('WRONGPASS');
    });
    await expect(wrong.guard.attach(opened)).rejects.toThrow(/./u);
    await wrong[Symbol.asyncDispose]();
  });

  test('a server whose certificate comes from elsewhere is not believed', async () => {
    await using other = await redisWorld();
    const wrong = await openGuard({ ...world.target(server.port), caPem: other.folders.tls.caPem });
    await delay(300);
    await expect(wrong.ready()).rejects.toThrow(/certificate/u);
    await expect(wrong.guard.attach(opened)).rejects.toThrow(/./u);
    await wrong[Symbol.asyncDispose]();
  });

  test('scripts that the server forgot come again with the frame', async () => {
    await admit(record(1));
    await world.command(server.port, 'SCRIPT', 'FLUSH');
    const frames = [2, 3, 4].map((seq) => admit(record(seq)));
    expect(await Promise.all(frames)).toEqual([['new'], ['new'], ['new']]);
  });

  test('a clock that jumps ahead ends sessions, one that jumps back forgets nothing', async () => {
    const clock = manualClock(Date.now());
    const jumping = await readyGuard(world.target(server.port), clock);
    const own = await jumping.guard.attach(attachment(clock));
    const first = record(1, request('c1'));
    expect(verdictsOf(await jumping.guard.admit(own, [first]))).toEqual(['new']);
    clock.setNow(clock.now() - 86_400_000);
    expect(verdictsOf(await jumping.guard.admit(own, [record(2, { nonce: first.nonce })]))).toEqual([
      'duplicate',
    ]);
    expect(verdictsOf(await jumping.guard.admit(own, [record(2, request('c1'))]))).toEqual(['running']);
    clock.setNow(clock.now() + 2 * 86_400_000);
    expect(verdictsOf(await jumping.guard.admit(own, [record(3)]))).toEqual(['expired']);
    await jumping[Symbol.asyncDispose]();
  });

  test('every key of a session has an end', async () => {
    await admit(record(1, request('c1')), record(2, request('c2')));
    await shared.guard.conclude(session, [
      { correlation: named('c1'), state: 'done', response: new Uint8Array(100) },
    ]);
    await shared.store.save(session, new Uint8Array(100));
    const keys = ['s', 'n0', 'n1', 'n2', 'q', 'd0', 'd1', 'r', 'o', 'rec'].map(
      (name) => `{${session.sessionId}}:${name}`,
    );
    const lives = await Promise.all(keys.map((key) => world.command(server.port, 'PTTL', key)));
    expect(lives.filter((life) => life !== ':-2')).toHaveLength(7);
    for (const life of lives) expect(life === ':-2' || Number(life.slice(1)) > 0).toBe(true);
    await shared.guard.close(session);
    expect(await world.command(server.port, 'EXISTS', ...keys)).toBe(':0');
  });
});
