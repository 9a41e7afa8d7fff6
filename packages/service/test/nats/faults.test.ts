/** The server stopped, paused, killed, emptied, slow, cut off, full: what the bus says, how soon, and that it goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Bus, BusMessage } from '../../src/bus/index.ts';
import { startCutProxy, type CutProxy } from '../../src/local-servers/index.ts';
import { openNatsBus, type NatsBusOptions, type StreamSpec } from '../../src/nats/index.ts';
import { type NatsRig, serverSuite, startNatsRig, TESTER } from '../../src/testing/index.ts';

const suite = await serverSuite('nats');
const stream: StreamSpec = {
  name: 'FAULTS',
  subjects: ['kept.>'],
  retention: 'workqueue',
  maxBytes: 32 * 1024 * 1024,
  maxAgeMs: 600_000,
  deduplicationWindowMs: 120_000,
};
const soon = { timeout: 15_000, interval: 20 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (message: BusMessage): string => new TextDecoder().decode(message.payload);

let rig: NatsRig;
let proxy: CutProxy;
const opened: Bus[] = [];
beforeAll(async () => {
  if (!suite.skip) rig = await startNatsRig();
});
afterAll(async () => rig?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await rig.removeStreams();
  proxy = await startCutProxy({ to: { host: rig.server.host, port: rig.server.port } });
});
afterEach(async () => {
  proxy.heal();
  await Promise.all(opened.splice(0).map((bus) => bus.close()));
  await proxy.dispose();
});

async function open(overrides: Partial<NatsBusOptions> = {}): Promise<Bus> {
  const bus = await openNatsBus({
    ...rig.options(TESTER),
    streams: [stream],
    timeoutMs: 500,
    pingIntervalMs: 300,
    connectTimeoutMs: 500,
    ...overrides,
  });
  opened.push(bus);
  return bus;
}
const throughProxy = (): Partial<NatsBusOptions> => ({ servers: [`127.0.0.1:${proxy.port}`] });

/** Records what arrives, durably or not. */
async function collect(bus: Bus, subject: string, durable?: string): Promise<string[]> {
  const got: string[] = [];
  await bus.subscribe(subject, durable === undefined ? {} : { durable }, async (message) => {
    got.push(read(message));
  });
  return got;
}

/** As a producer does: the same message until it is taken. */
async function insist(bus: Bus, subject: string, value: string): Promise<void> {
  for (const end = performance.now() + 15_000; ;) {
    try {
      await bus.publish(subject, text(value), { msgId: value });
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(50);
    }
  }
}

async function timed(work: Promise<unknown>): Promise<{ ms: number; kind: unknown }> {
  const start = performance.now();
  const kind = await work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof Error && 'kind' in error ? error.kind : error),
  );
  return { ms: performance.now() - start, kind };
}

/** The signal is on its way when `kill` returns: a server may answer once more. */
async function pauseServer(): Promise<void> {
  rig.server.signal('SIGSTOP');
  await sleep(100);
}

describe.skipIf(suite.skip)(suite.title('the bus on a NATS server in trouble'), () => {
  test('stopped: refuses at once, and goes on by itself when it is back, with what it kept', async () => {
    const bus = await open();
    const heard = await collect(bus, 'told');
    const kept = await collect(bus, 'kept.a', 'd');
    await bus.publish('kept.a', text('before'));
    await vi.waitFor(() => expect(kept).toEqual(['before']), soon);
    await rig.server.stop();
    await vi.waitFor(async () => expect((await timed(bus.check())).kind).toBe('unavailable'), soon);
    for (const subject of ['kept.a', 'told']) {
      const { ms, kind } = await timed(bus.publish(subject, text('lost')));
      expect([kind, ms < 50]).toEqual(['unavailable', true]);
    }
    await rig.server.restart();
    await insist(bus, 'kept.a', 'after');
    await insist(bus, 'told', 'after');
    await vi.waitFor(() => expect([heard, kept]).toEqual([['after'], ['before', 'after']]), soon);
    await bus.check();
  });

  test('away at the start: the bus opens, its subscriptions stand, and begin when the server does', async () => {
    await rig.server.stop();
    const bus = await open();
    expect((await timed(bus.publish('told', text('x')))).kind).toBe('unavailable');
    const heard = await collect(bus, 'told');
    const kept = await collect(bus, 'kept.a', 'd');
    await rig.server.restart();
    await insist(bus, 'kept.a', 'x');
    await insist(bus, 'told', 'y');
    await vi.waitFor(() => expect([heard, kept]).toEqual([['y'], ['x']]), soon);
  });

  test('paused: bounded in time and memory, found out by pings, and back after it', async () => {
    const bus = await open({ maxWaitingBytes: 2 * 1024 * 1024 });
    const kept = await collect(bus, 'kept.a', 'd');
    await pauseServer();
    try {
      const big = new Uint8Array(512 * 1024);
      const burst = await Promise.all(Array.from({ length: 200 }, () => timed(bus.publish('kept.b', big))));
      expect(burst.filter(({ kind }) => kind === 'unavailable')).toHaveLength(4); // 2 MiB wait, then time out
      expect(burst.filter(({ kind }) => kind === 'full')).toHaveLength(196);
      expect(Math.max(...burst.map(({ ms }) => ms))).toBeLessThan(1500);
      const next = await timed(bus.publish('kept.b', big));
      expect([next.kind, next.ms < 50]).toEqual(['unavailable', true]);
      await vi.waitFor(async () => {
        await expect(bus.check()).rejects.toThrow(/not reachable|was lost|does not answer within 500/u);
      }, soon);
      await sleep(1500); // some attempts to connect meet the paused server
    } finally {
      rig.server.signal('SIGCONT');
    }
    await insist(bus, 'kept.a', 'after');
    await vi.waitFor(() => expect(kept).toEqual(['after']), soon);
  });

  test.each(['kept.b', 'told'])(
    'paused, before its pings tell: %s waits once, and not again',
    async (subject) => {
      const bus = await open({ pingIntervalMs: 60_000 });
      const kept = await collect(bus, 'kept.a', 'd');
      await pauseServer();
      try {
        const first = await timed(bus.publish(subject, text('x')));
        expect([first.kind, first.ms > 400]).toEqual(['unavailable', true]);
        const next = await timed(bus.publish(subject, text('x')));
        expect([next.kind, next.ms < 50]).toEqual(['unavailable', true]);
      } finally {
        rig.server.signal('SIGCONT');
      }
      await insist(bus, 'kept.a', 'after');
      await vi.waitFor(() => expect(kept).toEqual(['after']), soon);
    },
  );

  test('two replicas share the work, and what the one that leaves had is done by the other', async () => {
    const [first, second, sender] = [await open(), await open(), await open()];
    const took: string[][] = [[], []];
    for (const [n, bus] of [first, second].entries()) {
      await bus.subscribe('kept.>', { durable: 'd', maxInFlight: 8 }, async (message) => {
        await sleep(5);
        took[n]?.push(read(message));
      });
    }
    const values = Array.from({ length: 300 }, (_, n) => `${n}`);
    const sending = Promise.all(values.map((value) => insist(sender, `kept.${Number(value) % 3}`, value)));
    await vi.waitFor(() => expect(took[0]?.length).toBeGreaterThan(20), soon);
    await first.close();
    await sending;
    await vi.waitFor(() => expect(new Set(took.flat()).size).toBe(300), soon);
    expect(took[1]?.length).toBeGreaterThan(20);
  });

  test('silent with a full socket: the next server is taken, without waiting for the first to read', async () => {
    const direct = `${rig.server.host}:${rig.server.port}`;
    const bus = await open({
      maxWaitingBytes: 64 * 1024 * 1024,
      servers: [`127.0.0.1:${proxy.port}`, direct],
    });
    proxy.cut('both');
    const big = new Uint8Array(900 * 1024);
    await Promise.all(Array.from({ length: 40 }, () => timed(bus.publish('kept.b', big))));
    await vi.waitFor(() => bus.check(), { timeout: 6000, interval: 20 });
  });

  test('closing while it is paused takes a moment, not for ever', async () => {
    const bus = await open();
    await collect(bus, 'kept.a', 'd');
    await collect(bus, 'told');
    await pauseServer();
    try {
      expect((await timed(bus.close())).ms).toBeLessThan(2500);
    } finally {
      rig.server.signal('SIGCONT');
    }
  });

  test('killed and started again with its data: what it took is delivered', async () => {
    const bus = await open();
    const first = await bus.subscribe('kept.a', { durable: 'd' }, async () => undefined);
    await first.unsubscribe();
    for (const value of ['1', '2', '3']) await bus.publish('kept.a', text(value));
    rig.server.signal('SIGKILL');
    await rig.server.exited;
    await rig.server.restart();
    await vi.waitFor(() => bus.check(), soon);
    const kept = await collect(bus, 'kept.a', 'd');
    await insist(bus, 'kept.a', '4');
    await vi.waitFor(() => expect(kept).toEqual(['1', '2', '3', '4']), soon);
  });

  test('killed and started empty: stream and consumer are made again under their subscriber', async () => {
    const bus = await open();
    const kept = await collect(bus, 'kept.a', 'd');
    await insist(bus, 'kept.a', 'before');
    rig.server.signal('SIGKILL');
    await rig.server.exited;
    await rig.server.restart({ empty: true });
    await insist(bus, 'kept.a', 'after');
    await vi.waitFor(() => expect(kept).toEqual(['before', 'after']), soon);
  });

  test.each(['consumer', 'stream'] as const)(
    'its %s is deleted: made again',
    async (what) => {
      const bus = await open();
      const kept = await collect(bus, 'kept.a', 'd');
      await rig.remove(what, stream.name, 'd');
      await insist(bus, 'kept.a', 'after');
      await vi.waitFor(() => expect(kept).toEqual(['after']), { timeout: 19_000, interval: 20 });
    },
    30_000,
  );

  test.each(['to-server', 'to-client', 'both'] as const)(
    'cut %s: bounded answers, and every message once when it heals',
    async (direction) => {
      const sender = await open(throughProxy());
      const receiver = await open();
      const kept = await collect(receiver, 'kept.a', 'd');
      const values = Array.from({ length: 20 }, (_, n) => `${n}`);
      for (const [n, value] of values.entries()) {
        if (n === 7) {
          proxy.cut(direction);
          setTimeout(() => proxy.heal(), 2500);
        }
        const { ms } = await timed(sender.publish('kept.a', text(value), { msgId: value }));
        expect(ms).toBeLessThan(1000);
        await insist(sender, 'kept.a', value);
      }
      await vi.waitFor(() => expect(kept).toHaveLength(20), soon);
      expect(kept.toSorted()).toEqual(values.toSorted());
    },
    30_000,
  );

  test.each(['to-server', 'to-client', 'both'] as const)(
    'the consumer cut %s: it misses nothing once it heals',
    async (direction) => {
      const sender = await open();
      const receiver = await open(throughProxy());
      const kept = await collect(receiver, 'kept.a', 'd');
      await sender.publish('kept.a', text('1'));
      await vi.waitFor(() => expect(kept).toEqual(['1']), soon);
      proxy.cut(direction);
      await sender.publish('kept.a', text('2'));
      await sleep(1500);
      await sender.publish('kept.a', text('3'));
      proxy.heal();
      await vi.waitFor(() => expect(new Set(kept)).toEqual(new Set(['1', '2', '3'])), soon);
    },
    30_000,
  );

  test('slow: everything arrives, in order', async () => {
    const bus = await open(throughProxy());
    proxy.delay(100);
    const kept = await collect(bus, 'kept.a', 'd');
    for (const value of ['1', '2', '3']) await insist(bus, 'kept.a', value);
    await vi.waitFor(() => expect(kept).toEqual(['1', '2', '3']), soon);
  });

  test('a connection that breaks off is replaced at once', async () => {
    const bus = await open(throughProxy());
    const heard = await collect(bus, 'told');
    proxy.reset();
    await insist(bus, 'told', 'x');
    await vi.waitFor(() => expect(heard).toEqual(['x']), soon);
  });

  test('a handler longer than the server waits is not disturbed: it is told that work goes on', async () => {
    const bus = await open();
    const deliveries: number[] = [];
    const done = Promise.withResolvers<void>();
    await bus.subscribe('kept.a', { durable: 'd', ackTimeoutMs: 20_000 }, async (message) => {
      deliveries.push(message.deliveries);
      await sleep(5000);
      done.resolve();
    });
    await bus.publish('kept.a', text('x'));
    await done.promise;
    await sleep(500);
    expect(deliveries).toEqual([1]);
  });

  test('what a replica held that is gone comes to the other one soon', async () => {
    const never = new Promise<void>(() => undefined);
    const first = await open(throughProxy());
    const started = Promise.withResolvers<void>();
    await first.subscribe('kept.a', { durable: 'd', maxInFlight: 8 }, async () => {
      started.resolve();
      await never;
    });
    opened.splice(opened.indexOf(first), 1); // its handler never ends
    const second = await open();
    await second.publish('kept.a', text('x'));
    await started.promise;
    proxy.cut('both');
    const cutAt = performance.now();
    const kept = await collect(second, 'kept.a', 'd');
    await vi.waitFor(() => expect(kept).toEqual(['x']), soon);
    expect(performance.now() - cutAt).toBeLessThan(6000);
  });
});

describe.skipIf(suite.skip)(suite.title('a NATS server without room'), () => {
  test('a full stream: said, retryable, and over when there is room', async () => {
    const small = { ...stream, maxBytes: 256 * 1024 };
    const bus = await open({ streams: [small] });
    const first = await bus.subscribe('kept.a', { durable: 'd' }, async () => undefined);
    await first.unsubscribe();
    const payload = new Uint8Array(60 * 1024);
    const answers: unknown[] = [];
    for (let n = 0; n < 8; n += 1) answers.push((await timed(bus.publish('kept.a', payload))).kind);
    expect(answers).toEqual([...Array<string>(4).fill('resolved'), ...Array<string>(4).fill('full')]);
    await expect(bus.publish('kept.a', payload)).rejects.toMatchObject({ retryable: true, reason: 'busy' });
    const kept = await collect(bus, 'kept.a', 'd');
    await vi.waitFor(() => expect(kept).toHaveLength(4), soon);
    await insist(bus, 'kept.a', 'room');
    await vi.waitFor(() => expect(kept.at(-1)).toBe('room'), soon);
  });

  test("the server's own limit of disk: the stream is refused as full, or its messages are", async () => {
    await using tight = await startNatsRig({ maxFileBytes: 512 * 1024 });
    const bus = await open({ ...tight.options(TESTER), streams: [stream] });
    const attempt = bus.subscribe('kept.a', { durable: 'd' }, async () => undefined);
    expect(['full', 'resolved']).toContain((await timed(attempt)).kind);
    const kinds = new Set<unknown>();
    for (let n = 0; n < 40; n += 1)
      kinds.add((await timed(bus.publish('kept.a', new Uint8Array(64 * 1024)))).kind);
    kinds.delete('resolved');
    expect([...kinds].every((kind) => kind === 'full' || kind === 'unavailable')).toBe(true);
    expect(kinds.size).toBeGreaterThan(0);
    await bus.close();
  });
});
