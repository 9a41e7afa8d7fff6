/**
 * The contract of the bus port. Call it from a test file of each implementation; every test opens a bus of its own.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Bus, BusMessage } from '../../src/bus/index.ts';

export interface BusFactoryOptions {
  readonly durables?: readonly { readonly name: string; readonly subject: string }[];
  readonly maxPending?: number;
  readonly deduplicationWindowMs?: number;
}

export interface OpenBus {
  readonly bus: Bus;
  /** Lets the deduplication window pass. */
  passTime(ms: number): Promise<void>;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (message: BusMessage): string => new TextDecoder().decode(message.payload);
const quick = { backoffMs: [5, 10], ackTimeoutMs: 2000 };
const soon = { timeout: 3000, interval: 5 };
/** Long enough for a wrong delivery to show itself. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

export function busContract(
  implementation: string,
  open: (options: BusFactoryOptions) => Promise<OpenBus>,
): void {
  describe(`bus contract: ${implementation}`, () => {
    const opened: Bus[] = [];
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((bus) => bus.close()));
    });
    async function fresh(options: BusFactoryOptions = {}): Promise<Bus> {
      const { bus } = await open(options);
      opened.push(bus);
      return bus;
    }
    /** Subscribes and records what arrives. */
    async function collect(bus: Bus, subject: string, durable?: string): Promise<string[]> {
      const got: string[] = [];
      await bus.subscribe(
        subject,
        { ...quick, ...(durable === undefined ? {} : { durable }) },
        async (message) => {
          got.push(read(message));
        },
      );
      return got;
    }

    describe('durable consumers', () => {
      test('get subject, payload, id and a first delivery count of 1', async () => {
        const bus = await fresh();
        const got: BusMessage[] = [];
        await bus.subscribe(
          'audit.events',
          { ...quick, durable: 'd' },
          async (message) => void got.push(message),
        );
        await bus.publish('audit.events', text('x'), { msgId: 'id-1' });
        await vi.waitFor(() => expect(got).toHaveLength(1), soon);
        expect(got[0]).toMatchObject({ subject: 'audit.events', msgId: 'id-1', deliveries: 1 });
        expect([...(got[0]?.payload ?? [])]).toEqual([...text('x')]);
      });

      test('receive later what was published while nobody was attached', async () => {
        const bus = await fresh();
        const first = await bus.subscribe('s', { ...quick, durable: 'd' }, async () => undefined);
        await first.unsubscribe();
        await bus.publish('s', text('1'));
        await bus.publish('s', text('2'));
        const got = await collect(bus, 's', 'd');
        await vi.waitFor(() => expect(got).toEqual(['1', '2']), soon);
      });

      test('that are provisioned collect before their first subscriber', async () => {
        const bus = await fresh({ durables: [{ name: 'd', subject: 's.>' }] });
        await bus.publish('s.a', text('early'));
        const got = await collect(bus, 's.>', 'd');
        await vi.waitFor(() => expect(got).toEqual(['early']), soon);
      });

      test('with different names each get every message', async () => {
        const bus = await fresh();
        const [a, b] = await Promise.all([collect(bus, 's', 'a'), collect(bus, 's', 'b')]);
        await bus.publish('s', text('1'));
        await vi.waitFor(() => expect([a, b]).toEqual([['1'], ['1']]), soon);
      });

      test('share the work under one name, each message going to one of them', async () => {
        const bus = await fresh();
        const [a, b] = await Promise.all([collect(bus, 's', 'd'), collect(bus, 's', 'd')]);
        for (let n = 0; n < 20; n += 1) await bus.publish('s', text(String(n)));
        await vi.waitFor(() => expect(a.length + b.length).toBe(20), soon);
        expect(new Set([...a, ...b]).size).toBe(20);
        expect(Math.min(a.length, b.length)).toBeGreaterThan(0);
      });

      test('keep their subject: another one under the same name is refused', async () => {
        const bus = await fresh();
        await collect(bus, 's', 'd');
        await expect(collect(bus, 't', 'd')).rejects.toMatchObject({ kind: 'invalid' });
      });
    });

    describe('acknowledgement', () => {
      test('a rejected message comes again, counted, until it is taken', async () => {
        const bus = await fresh();
        const deliveries: number[] = [];
        await bus.subscribe('s', { ...quick, durable: 'd' }, async (message) => {
          deliveries.push(message.deliveries);
          if (message.deliveries < 4) throw new Error('not yet');
        });
        await bus.publish('s', text('x'));
        await vi.waitFor(() => expect(deliveries).toEqual([1, 2, 3, 4]), soon);
        await settle();
        expect(deliveries).toHaveLength(4);
      });

      test('a handler that throws at once rejects', async () => {
        const bus = await fresh();
        let calls = 0;
        await bus.subscribe('s', { ...quick, durable: 'd' }, () => {
          calls += 1;
          if (calls === 1) throw new Error('at once');
          return Promise.resolve();
        });
        await bus.publish('s', text('x'));
        await vi.waitFor(() => expect(calls).toBe(2), soon);
      });

      test('redelivery waits for the backoff', async () => {
        const bus = await fresh();
        const times: number[] = [];
        await bus.subscribe('s', { durable: 'd', backoffMs: [150] }, async () => {
          times.push(performance.now());
          if (times.length === 1) throw new Error('again');
        });
        await bus.publish('s', text('x'));
        await vi.waitFor(() => expect(times).toHaveLength(2), soon);
        expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(120);
      });

      test('one that is not acknowledged in time comes again', async () => {
        const bus = await fresh();
        const deliveries: number[] = [];
        const never = Promise.withResolvers<void>();
        await bus.subscribe('s', { durable: 'd', ackTimeoutMs: 100, backoffMs: [5] }, async (message) => {
          deliveries.push(message.deliveries);
          if (message.deliveries === 1) await never.promise;
        });
        await bus.publish('s', text('x'));
        await vi.waitFor(() => expect(deliveries).toEqual([1, 2]), soon);
        never.resolve();
      });

      test('a rejection that comes after its time-out does not disturb the delivery under way', async () => {
        const bus = await fresh();
        const deliveries: number[] = [];
        const first = Promise.withResolvers<void>();
        await bus.subscribe('s', { durable: 'd', ackTimeoutMs: 400, backoffMs: [5] }, async (message) => {
          deliveries.push(message.deliveries);
          if (message.deliveries === 1) await first.promise;
          first.reject(new Error('too late'));
          await settle();
        });
        await bus.publish('s', text('x'));
        await vi.waitFor(() => expect(deliveries.length).toBeGreaterThan(1), soon);
        await settle();
        await settle();
        expect(deliveries).toEqual([1, 2]);
      });

      test('an acknowledgement after the time-out, by a subscriber on its way out, counts', async () => {
        const bus = await fresh();
        const started = Promise.withResolvers<void>();
        const gate = Promise.withResolvers<void>();
        const leaving = await bus.subscribe(
          's',
          { durable: 'd', ackTimeoutMs: 40, backoffMs: [5] },
          async () => {
            started.resolve();
            await gate.promise;
          },
        );
        await bus.publish('s', text('x'));
        await started.promise;
        const left = leaving.unsubscribe();
        await settle();
        gate.resolve();
        await left;
        const got = await collect(bus, 's', 'd');
        await settle();
        expect(got).toEqual([]);
      });

      test('a rejection, or a time-out, of a subscriber that left goes to the next one', async () => {
        const bus = await fresh();
        const left = await bus.subscribe('s', { durable: 'd', backoffMs: [10_000] }, async () => {
          throw new Error('no');
        });
        await bus.publish('s', text('x'));
        await settle();
        await left.unsubscribe();
        const counts: number[] = [];
        await bus.subscribe('s', { durable: 'd' }, async ({ deliveries }) => void counts.push(deliveries));
        await vi.waitFor(() => expect(counts).toEqual([2]), soon);
      });

      test('unsubscribing waits for the running handler, whose acknowledgement counts', async () => {
        const bus = await fresh();
        const started = Promise.withResolvers<void>();
        const gate = Promise.withResolvers<void>();
        const first = await bus.subscribe('s', { ...quick, durable: 'd' }, async () => {
          started.resolve();
          await gate.promise;
        });
        await bus.publish('s', text('x'));
        await started.promise;
        let left = false;
        const leaving = first.unsubscribe().then(() => {
          left = true;
        });
        await settle();
        expect(left).toBe(false);
        gate.resolve();
        await leaving;
        const got = await collect(bus, 's', 'd');
        await settle();
        expect(got).toEqual([]);
      });
    });

    describe('order and flow', () => {
      test('one subject is delivered in order', async () => {
        const bus = await fresh();
        const got = await collect(bus, 's', 'd');
        const sent = Array.from({ length: 200 }, (_, n) => String(n));
        for (const value of sent) await bus.publish('s', text(value));
        await vi.waitFor(() => expect(got).toEqual(sent), soon);
      });

      test('with one in flight a redelivery does not let later messages pass', async () => {
        const bus = await fresh();
        const got: string[] = [];
        await bus.subscribe('s', { ...quick, durable: 'd' }, async (message) => {
          if (read(message) === '1' && message.deliveries < 3) throw new Error('again');
          got.push(read(message));
        });
        for (const value of ['1', '2', '3']) await bus.publish('s', text(value));
        await vi.waitFor(() => expect(got).toEqual(['1', '2', '3']), soon);
      });

      test('never more than maxInFlight handlers run, and that many do', async () => {
        const bus = await fresh();
        let running = 0;
        let most = 0;
        let done = 0;
        await bus.subscribe('s', { ...quick, durable: 'd', maxInFlight: 3 }, async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 10));
          running -= 1;
          done += 1;
        });
        for (let n = 0; n < 12; n += 1) await bus.publish('s', text(String(n)));
        await vi.waitFor(() => expect(done).toBe(12), soon);
        expect(most).toBe(3);
      });

      test('a full broker rejects, retryably, takes nothing of it, and recovers', async () => {
        const bus = await fresh({ maxPending: 3, durables: [{ name: 'd', subject: 's' }] });
        for (const value of ['1', '2', '3']) await bus.publish('s', text(value));
        const fourth = bus.publish('s', text('4'), { msgId: 'four' });
        await expect(fourth).rejects.toMatchObject({ kind: 'full', retryable: true });
        const got = await collect(bus, 's', 'd');
        await vi.waitFor(() => expect(got).toEqual(['1', '2', '3']), soon);
        await bus.publish('s', text('4'), { msgId: 'four' });
        await vi.waitFor(() => expect(got).toEqual(['1', '2', '3', '4']), soon);
      });

      test("the publisher's buffer may be reused, a receiver's changes reach nobody else", async () => {
        const bus = await fresh();
        const seen: number[] = [];
        for (const durable of ['a', 'b']) {
          await bus.subscribe('s', { ...quick, durable }, async ({ payload }) => {
            seen.push(payload[0] ?? -1);
            payload.fill(9);
          });
        }
        const buffer = Uint8Array.of(1);
        await bus.publish('s', buffer);
        buffer.fill(7);
        await vi.waitFor(() => expect(seen).toEqual([1, 1]), soon);
      });
    });

    describe('deduplication', () => {
      test('an id is taken once within the window, whatever came of it', async () => {
        const bus = await fresh();
        const got = await collect(bus, 's', 'd');
        await bus.publish('s', text('1'), { msgId: 'a' });
        await bus.publish('s', text('2'), { msgId: 'a' });
        await bus.publish('s', text('3'), { msgId: 'b' });
        await vi.waitFor(() => expect(got).toEqual(['1', '3']), soon);
      });

      test('after the window it is new again', async () => {
        const { bus, passTime } = await open({ deduplicationWindowMs: 200 });
        opened.push(bus);
        const got = await collect(bus, 's', 'd');
        await bus.publish('s', text('1'), { msgId: 'a' });
        await passTime(250);
        await bus.publish('s', text('2'), { msgId: 'a' });
        await vi.waitFor(() => expect(got).toEqual(['1', '2']), soon);
      });

      test('messages without an id are never duplicates', async () => {
        const bus = await fresh();
        const got = await collect(bus, 's', 'd');
        await bus.publish('s', text('1'));
        await bus.publish('s', text('1'));
        await vi.waitFor(() => expect(got).toEqual(['1', '1']), soon);
      });
    });

    describe('trace context', () => {
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      async function carried(given: string | undefined, durable?: string): Promise<BusMessage> {
        const bus = await fresh();
        const got = Promise.withResolvers<BusMessage>();
        await bus.subscribe(
          's',
          { ...quick, ...(durable === undefined ? {} : { durable }) },
          async (message) => got.resolve(message),
        );
        await bus.publish('s', text('x'), given === undefined ? {} : { traceparent: given });
        return got.promise;
      }

      test('travels with a message to a durable consumer', async () => {
        expect(await carried(traceparent, 'd')).toMatchObject({ traceparent });
      });

      test('travels with an announcement', async () => {
        expect(await carried(traceparent)).toMatchObject({ traceparent });
      });

      test('is not there when there is none', async () => {
        expect(await carried(undefined, 'd')).not.toHaveProperty('traceparent');
      });

      test('comes again with a redelivery', async () => {
        const bus = await fresh();
        const got: (string | undefined)[] = [];
        await bus.subscribe('s', { ...quick, durable: 'd' }, async (message) => {
          got.push(message.traceparent);
          if (got.length === 1) throw new Error('again');
        });
        await bus.publish('s', text('x'), { traceparent });
        await vi.waitFor(() => expect(got).toEqual([traceparent, traceparent]), soon);
      });

      test.each([
        ['empty', ''],
        ['zero', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
        ['with a line of its own', `${traceparent}\r\nNats-Msg-Id: forged`],
        ['long', `01${traceparent.slice(2)}-${'x'.repeat(600)}`],
      ])('one that is %s is left out, and the message arrives', async (_what, given) => {
        const message = await carried(given, 'd');
        expect(read(message)).toBe('x');
        expect(message).not.toHaveProperty('traceparent');
        expect(message.msgId).toBeUndefined();
      });
    });

    describe('announcements', () => {
      test('reach everyone attached, and nobody else', async () => {
        const bus = await fresh();
        await bus.publish('policy.revision', text('before'));
        const [a, b] = await Promise.all([collect(bus, 'policy.revision'), collect(bus, 'policy.revision')]);
        const gone = await bus.subscribe('policy.revision', quick, async () => {
          throw new Error('must not be called');
        });
        await gone.unsubscribe();
        await bus.publish('policy.revision', text('after'));
        await vi.waitFor(() => expect([a, b]).toEqual([['after'], ['after']]), soon);
      });

      test('a listener that falls behind does not hold up the publisher and loses its oldest', async () => {
        const bus = await fresh({ maxPending: 3 });
        const gate = Promise.withResolvers<void>();
        const got: string[] = [];
        await bus.subscribe('s', quick, async (message) => {
          got.push(read(message));
          await gate.promise;
        });
        await bus.publish('s', text('0'));
        await vi.waitFor(() => expect(got).toEqual(['0']), soon);
        for (let n = 1; n <= 10; n += 1) await bus.publish('s', text(String(n)));
        gate.resolve();
        await vi.waitFor(() => expect(got.at(-1)).toBe('10'), soon);
        expect(got.length).toBeLessThan(11);
      });

      test('publishing where nobody listens succeeds', async () => {
        await (await fresh()).publish('nobody.here', text('x'));
      });
    });

    describe('subjects', () => {
      test('wildcards select', async () => {
        const bus = await fresh();
        const [star, rest] = await Promise.all([
          collect(bus, 'audit.ack.*', 'star'),
          collect(bus, 'audit.>', 'rest'),
        ]);
        await bus.publish('audit.ack.gateway-1', text('ack'));
        await bus.publish('audit.ack.a.b', text('deep'));
        await bus.publish('audit.events', text('event'));
        await bus.publish('other', text('other'));
        await vi.waitFor(() => expect(rest).toEqual(['ack', 'deep', 'event']), soon);
        expect(star).toEqual(['ack']);
      });

      test.each(['', 'a.', 'a.*', '>', 'a b'])('publishing on %j is refused', async (subject) => {
        await expect((await fresh()).publish(subject, text('x'))).rejects.toMatchObject({ kind: 'invalid' });
      });

      test.each(['', 'a..b', '>.a', 'a b'])('subscribing to %j is refused', async (subject) => {
        await expect(collect(await fresh(), subject, 'd')).rejects.toMatchObject({ kind: 'invalid' });
      });

      test.each([
        { durable: 'a b' },
        { durable: '' },
        { maxInFlight: 0 },
        { ackTimeoutMs: 0 },
        { backoffMs: [] },
      ])('options %j are refused', async (options) => {
        const attempt = (await fresh()).subscribe('s', options, async () => undefined);
        await expect(attempt).rejects.toMatchObject({ kind: 'invalid' });
      });

      test('a payload above the limit is refused', async () => {
        const attempt = (await fresh()).publish('s', new Uint8Array(1024 * 1024 + 1));
        await expect(attempt).rejects.toMatchObject({ kind: 'invalid', retryable: false });
      });
    });

    describe('check', () => {
      test('resolves while the broker answers, and says when the bus is closed', async () => {
        const bus = await fresh();
        await bus.check();
        await bus.close();
        await expect(bus.check()).rejects.toMatchObject({ kind: 'closed' });
      });
    });

    describe('closing', () => {
      test('waits for running handlers, then refuses', async () => {
        const bus = await fresh();
        const started = Promise.withResolvers<void>();
        let finished = false;
        await bus.subscribe('s', { ...quick, durable: 'd' }, async () => {
          started.resolve();
          await settle();
          finished = true;
        });
        await bus.publish('s', text('x'));
        await started.promise;
        await bus.close();
        expect(finished).toBe(true);
        await expect(bus.publish('s', text('x'))).rejects.toMatchObject({ kind: 'closed' });
        await expect(collect(bus, 's')).rejects.toMatchObject({ kind: 'closed' });
      });
    });
  });
}
