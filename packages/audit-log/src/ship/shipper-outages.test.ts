/** How soon events flow again after an outage, and how much an outage may cost, to the millisecond. */
import { utf8 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Spool } from '../spool/types.ts';
import { startShipper } from './shipper.ts';
import type { Shipper, ShipperProblem } from './shipper.ts';
import type { AuditTransport, SpoolBatch } from './types.ts';

/** One event a batch, `count` of them from the start. */
function memorySpool(count: number): Spool & { appendOne(): void } {
  const listeners = new Set<() => void>();
  let floor = 1n;
  let head = BigInt(count);
  return {
    producer: 'gateway#1',
    get floor() {
      return floor;
    },
    get head() {
      return head;
    },
    depthBytes: 0,
    full: false,
    append: () => Promise.reject(new Error('not here')),
    read: async (from) => ({ firstSeq: from, bodies: from > head ? [] : [utf8(`e${from}`)] }),
    async acknowledge(throughSeq) {
      floor = throughSeq + 1n;
    },
    onAppended(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    close: async () => undefined,
    appendOne() {
      head += 1n;
      for (const listener of listeners) listener();
    },
  };
}

type Mode =
  'works' | 'refuses' | 'stands still' | 'takes and loses' | 'acknowledges, never answers' | 'every second';

class Broker implements AuditTransport {
  mode: Mode = 'works';
  readonly sentAtMs: number[] = [];
  readonly #clock: FakeClock;
  #acknowledge: (throughSeq: bigint) => void = () => undefined;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async send({ firstSeq, bodies }: SpoolBatch): Promise<void> {
    this.sentAtMs.push(this.#clock.nowMs());
    const refuses = this.mode === 'every second' && this.sentAtMs.length % 2 === 0;
    if (this.mode === 'refuses' || refuses) throw new Error('no broker');
    if (this.mode === 'stands still') return new Promise(() => undefined);
    if (this.mode === 'takes and loses' || this.mode === 'every second') return;
    this.#acknowledge(firstSeq + BigInt(bodies.length) - 1n);
    if (this.mode === 'acknowledges, never answers') return new Promise(() => undefined);
  }

  onAcknowledged(_: string, callback: (throughSeq: bigint) => void): Disposable {
    this.#acknowledge = callback;
    return { [Symbol.dispose]: () => void (this.#acknowledge = () => undefined) };
  }
}

function start(count: number, mode: Mode) {
  const clock = new FakeClock();
  const broker = new Broker(clock);
  broker.mode = mode;
  const spool = memorySpool(count);
  const problems: ShipperProblem[] = [];
  const shipper = startShipper({ spool, transport: broker, clock, onProblem: (each) => problems.push(each) });
  return { clock, broker, spool, problems, shipper };
}

/** Milliseconds until everything in the spool is acknowledged. */
async function recovery(clock: FakeClock, spool: Spool): Promise<number> {
  const fromMs = clock.nowMs();
  while (spool.floor <= spool.head) {
    if (clock.nowMs() - fromMs > 120_000) throw new Error('not within two minutes');
    await clock.advance(50);
  }
  return clock.nowMs() - fromMs;
}

async function end(clock: FakeClock, shipper: Shipper): Promise<void> {
  const stopped = shipper.stop(0);
  await clock.advance(0);
  await stopped;
}

const HOUR_MS = 3_600_000;

describe('after an hour', () => {
  it.each([
    { mode: 'refuses', withinMs: 2_050 },
    { mode: 'stands still', withinMs: 7_050 }, // the try that is under way has to be given up first
  ] as const)('in which the broker $mode, all is sent within $withinMs ms', async ({ mode, withinMs }) => {
    const { clock, broker, spool, shipper } = start(20, mode);
    await clock.advance(HOUR_MS);
    expect(spool.floor).toBe(1n);
    broker.mode = 'works';
    expect(await recovery(clock, spool)).toBeLessThanOrEqual(withinMs);
    await end(clock, shipper);
  });

  it.each(['refuses', 'stands still'] as const)(
    'in which the broker %s, what it loses first is sent again after seconds, not a minute',
    async (mode) => {
      const { clock, broker, spool, shipper } = start(20, mode);
      await clock.advance(HOUR_MS);
      broker.mode = 'takes and loses';
      await clock.advance(7_050);
      broker.mode = 'works';
      expect(await recovery(clock, spool)).toBeLessThanOrEqual(10_050);
      await end(clock, shipper);
    },
  );

  it('of losses, a broker that refuses and comes back is believed anew', async () => {
    const { clock, broker, spool, shipper } = start(3, 'takes and loses');
    await clock.advance(HOUR_MS);
    broker.mode = 'refuses';
    await clock.advance(120_000);
    broker.mode = 'works';
    expect(await recovery(clock, spool)).toBeLessThanOrEqual(2_050);
    await end(clock, shipper);
  });
});

describe('an hour costs no more than', () => {
  it.each([
    { mode: 'refuses', atMost: 1_810 }, // one batch in two seconds
    { mode: 'stands still', atMost: 520 }, // one in seven
    { mode: 'takes and loses', atMost: 8 * 70 }, // the window in a minute
    { mode: 'every second', atMost: 2 * 1_810 }, // not the window for each failure
  ] as const)('$atMost batches while the broker $mode', async ({ mode, atMost }) => {
    const { clock, broker, spool, shipper } = start(20, mode);
    await clock.advance(HOUR_MS);
    expect(spool.floor).toBe(1n);
    expect(broker.sentAtMs.length).toBeLessThanOrEqual(atMost);
    expect(broker.sentAtMs.length).toBeGreaterThan(400);
    await end(clock, shipper);
  });
});

describe('waiting', () => {
  it('between tries of a transport that refuses doubles from 200 ms to two seconds', async () => {
    const { clock, broker, problems, shipper } = start(1, 'refuses');
    await clock.advance(10_000);
    expect(broker.sentAtMs).toEqual([0, 200, 600, 1_400, 3_000, 5_000, 7_000, 9_000]);
    expect(new Set(problems.map(({ kind }) => kind))).toEqual(new Set(['send_failed']));
    await end(clock, shipper);
  });

  it('for an acknowledgement doubles from five seconds to a minute', async () => {
    const { clock, broker, problems, shipper } = start(1, 'takes and loses');
    await clock.advance(200_000);
    expect(broker.sentAtMs).toEqual([0, 5_000, 15_000, 35_000, 75_000, 135_000, 195_000]);
    expect(new Set(problems.map(({ kind }) => kind))).toEqual(new Set(['not_acknowledged']));
    await end(clock, shipper);
  });

  it('starts small again after something was acknowledged', async () => {
    const { clock, broker, spool, shipper } = start(1, 'takes and loses');
    await clock.advance(200_000);
    broker.mode = 'works';
    await recovery(clock, spool);
    broker.mode = 'takes and loses';
    spool.appendOne();
    await clock.advance(0);
    const sent = broker.sentAtMs.length;
    await clock.advance(5_000);
    expect(broker.sentAtMs.length).toBe(sent + 1);
    await end(clock, shipper);
  });

  it('for an answer ends with the acknowledgement, which came first', async () => {
    const { clock, broker, spool, problems, shipper } = start(20, 'acknowledges, never answers');
    await clock.advance(0);
    expect(spool.floor).toBe(21n);
    expect(broker.sentAtMs).toHaveLength(20);
    expect(problems).toEqual([]);
    await end(clock, shipper);
  });
});
