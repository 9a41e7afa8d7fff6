import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '@sallyport/crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openSpool } from '../spool/spool.ts';
import type { Spool } from '../spool/types.ts';
import { startShipper } from './shipper.ts';
import type { ShipperOptions, ShipperProblem } from './shipper.ts';
import type { AuditTransport, ShipperClock, SpoolBatch } from './types.ts';

let directory: string;
let spool: Spool;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ship-'));
  spool = await openSpool({ directory, producer: 'gateway#1' });
});
afterEach(async () => {
  await spool.close();
  await rm(directory, { recursive: true });
});

const clock: ShipperClock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** A broker and a service behind it, both as bad as a test wants. */
class FakeTransport implements AuditTransport {
  readonly batches: SpoolBatch[] = [];
  /** Called with each batch; throws to refuse it. */
  take: (batch: SpoolBatch) => void | Promise<void> = (batch) => this.acknowledge(lastOf(batch));
  #callback: ((throughSeq: bigint) => void) | undefined;

  async send(batch: SpoolBatch): Promise<void> {
    this.batches.push(batch);
    await this.take(batch);
  }

  onAcknowledged(producer: string, callback: (throughSeq: bigint) => void): Disposable {
    expect(producer).toBe('gateway#1');
    this.#callback = callback;
    return { [Symbol.dispose]: () => void (this.#callback = undefined) };
  }

  acknowledge(throughSeq: bigint): void {
    this.#callback?.(throughSeq);
  }

  get listening(): boolean {
    return this.#callback !== undefined;
  }

  received(): string[] {
    return this.batches.flatMap((batch) => batch.bodies.map((body) => fromUtf8(body) ?? '?'));
  }
}

const lastOf = (batch: SpoolBatch) => batch.firstSeq + BigInt(batch.bodies.length) - 1n;
const append = (from: number, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => spool.append(utf8(`e${from + i}`))));
const start = (transport: AuditTransport, options: Partial<ShipperOptions> = {}) =>
  startShipper({
    spool,
    transport,
    clock,
    batchBytes: 6,
    resendAfterMs: 10_000,
    ...options,
  });
const until = (condition: () => boolean) =>
  vi.waitFor(() => {
    if (!condition()) throw new Error('not yet');
  }, 5000);

describe('shipper', () => {
  it('sends what was there and what comes, in order, and lets go of it when acknowledged', async () => {
    await append(1, 5);
    const transport = new FakeTransport();
    const shipper = start(transport);
    await append(6, 5);
    await until(() => spool.floor === 11n);
    expect(transport.received()).toEqual(Array.from({ length: 10 }, (_, i) => `e${i + 1}`));
    expect(await shipper.stop(1000)).toEqual({ remaining: 0n });
    expect(transport.listening).toBe(false);
  });

  it('gathers what comes bit by bit, and sends at once what is full or when it is stopped', async () => {
    const transport = new FakeTransport();
    const shipper = start(transport, { lingerMs: 60_000, batchBytes: 60 });
    await append(1, 1);
    await until(() => spool.floor === 2n);
    for (let n = 2; n <= 4; n += 1) await append(n, 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(transport.received()).toEqual(['e1']);
    await append(5, 30);
    await until(() => spool.floor > 5n);
    expect(transport.batches[1]?.firstSeq).toBe(2n);
    expect(await shipper.stop(5_000)).toEqual({ remaining: 0n });
    expect(transport.received()).toHaveLength(34);
  });

  it('gathers also while a batch of many small records is not acknowledged', async () => {
    const transport = new FakeTransport();
    transport.take = () => undefined;
    await append(1, 20);
    const shipper = start(transport, { lingerMs: 60_000, batchBytes: 60 });
    await until(() => transport.batches.length === 1);
    await append(21, 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(transport.batches.map(lastOf)).toEqual([20n]);
    await shipper.stop(0);
  });

  it('the broker taking a batch drops nothing', async () => {
    const transport = new FakeTransport();
    transport.take = () => undefined;
    const shipper = start(transport, { resendAfterMs: 10_000 });
    await append(1, 3);
    await until(() => transport.batches.length === 1);
    expect([spool.floor, spool.head]).toEqual([1n, 3n]);
    expect(await shipper.stop(20)).toEqual({ remaining: 3n });
  });

  it('sends no further than its window', async () => {
    const transport = new FakeTransport();
    transport.take = () => undefined;
    await append(1, 30);
    const shipper = start(transport, { windowBatches: 2, resendAfterMs: 10_000 });
    await until(() => transport.batches.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(transport.batches.map(lastOf)).toEqual([3n, 6n]);
    transport.acknowledge(3n);
    await until(() => transport.batches.length === 3);
    expect(shipper.inFlight).toBe(2);
    await shipper.stop(0);
  });

  it('sends everything not acknowledged again, from the oldest on, with its floor', async () => {
    const transport = new FakeTransport();
    const problems: ShipperProblem[] = [];
    let lose = 2;
    transport.take = (batch) => {
      if (lose-- <= 0) transport.acknowledge(lastOf(batch));
    };
    await append(1, 6);
    const shipper = start(transport, { resendAfterMs: 200, onProblem: (problem) => problems.push(problem) });
    await until(() => spool.floor === 7n);
    expect(transport.batches.map(({ firstSeq }) => firstSeq).slice(0, 4)).toEqual([1n, 4n, 1n, 4n]);
    expect(transport.batches[0]?.floor).toBe(1n);
    expect(problems[0]).toEqual({ kind: 'not_acknowledged' });
    await append(7, 1);
    await until(() => spool.floor === 8n);
    expect(transport.batches.at(-1)).toMatchObject({ firstSeq: 7n, floor: 7n });
    await shipper.stop(1000);
  });

  it('goes on after a transport that refuses, without a try for every append', async () => {
    const transport = new FakeTransport();
    const problems: ShipperProblem[] = [];
    transport.take = () => {
      throw new Error('no broker');
    };
    const shipper = start(transport, { maxRetryMs: 200, onProblem: (problem) => problems.push(problem) });
    for (let i = 0; i < 20; i++) await append(i, 1);
    expect(problems.length).toBeLessThan(5);
    expect(problems[0]?.kind).toBe('send_failed');
    transport.take = (batch) => transport.acknowledge(lastOf(batch));
    await until(() => spool.floor === 21n);
    await shipper.stop(1000);
  });

  it('a transport that never answers holds up neither resending nor stop', async () => {
    const transport = new FakeTransport();
    transport.take = () => new Promise(() => undefined);
    await append(1, 1);
    const shipper = start(transport, { resendAfterMs: 40 });
    await until(() => transport.batches.length >= 2);
    expect(await shipper.stop(10)).toEqual({ remaining: 1n });
  });

  it('an acknowledgement of what was never appended is reported and moves nothing', async () => {
    const transport = new FakeTransport();
    const problems: ShipperProblem[] = [];
    transport.take = () => transport.acknowledge(99n);
    await append(1, 1);
    const shipper = start(transport, { onProblem: (problem) => problems.push(problem) });
    await until(() => problems.length > 0);
    expect(problems[0]?.kind).toBe('invalid_acknowledgement');
    expect(spool.floor).toBe(1n);
    await shipper.stop(0);
  });

  it('stop drains what was durable when it was called', async () => {
    const transport = new FakeTransport();
    transport.take = (batch) => void setTimeout(() => transport.acknowledge(lastOf(batch)), 5);
    await append(1, 12);
    const shipper = start(transport);
    expect(await shipper.stop(2000)).toEqual({ remaining: 0n });
    expect(transport.received()).toHaveLength(12);
  });

  it('a new shipper begins at the acknowledged position', async () => {
    const transport = new FakeTransport();
    transport.take = () => undefined;
    await append(1, 6);
    const first = start(transport, { resendAfterMs: 10_000 });
    await until(() => transport.batches.length === 2);
    transport.acknowledge(4n);
    await until(() => spool.floor === 5n);
    await first.stop(0);
    const second = new FakeTransport();
    const shipper = start(second);
    await until(() => spool.floor === 7n);
    expect(second.received()).toEqual(['e5', 'e6']);
    await shipper.stop(1000);
  });
});
