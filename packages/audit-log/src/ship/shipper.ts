/**
 * Carries the spool to audit-service: in order, a bounded window ahead, again and again until acknowledged end to end.
 *
 * The transport's own promise only paces the sending. Records leave the spool when audit-service says that they are
 * committed and under a signed checkpoint; a broker that loses what it took costs a resend, not an event.
 *
 * Two things are waited for, each with its own doubling: a transport that refuses is tried again soon, since a try costs
 * one batch; an acknowledgement that does not come is waited for longer and longer, since giving up sends everything.
 */
import { AuditLogError } from '../errors.ts';
import { groupLength } from '../spool/segment.ts';
import type { Spool } from '../spool/types.ts';
import type { AuditTransport, ShipperClock } from './types.ts';

export interface ShipperOptions {
  readonly spool: Spool;
  readonly transport: AuditTransport;
  readonly clock: ShipperClock;
  /** Bytes of bodies in a batch; a single larger body goes alone. Default 256 KiB. */
  readonly batchBytes?: number;
  /** Batches sent and not acknowledged. Default 8. */
  readonly windowBatches?: number;
  /**
   * Between two batches at least this long, unless the second is full: what is recorded bit by bit travels together, which
   * spares everybody behind. What is in the spool is durable; the rest of its way may take a moment. Default 0.
   */
  readonly lingerMs?: number;
  /**
   * Without an acknowledgement for this long, everything not acknowledged is sent again. Doubles with each time in a row.
   * A transport that has not answered for this long has failed. Default 5 s.
   */
  readonly resendAfterMs?: number;
  /** Ceiling of the former. Default 60 s, and at least `resendAfterMs`. */
  readonly maxPatienceMs?: number;
  /** Ceiling of the pause after a failure of the transport or the spool, 200 ms at first and doubled each time. Default 2 s. */
  readonly maxRetryMs?: number;
  /** Hears of what it goes on from: the transport failing, an acknowledgement that names what was never sent. */
  readonly onProblem?: (problem: ShipperProblem) => void;
}

export interface ShipperProblem {
  readonly kind: 'send_failed' | 'not_acknowledged' | 'invalid_acknowledgement' | 'spool_failed';
  readonly cause?: unknown;
}

export interface Shipper {
  /** Batches sent that wait for their acknowledgement. */
  readonly inFlight: number;
  /**
   * Stops taking new work after all that was durable at the time of the call is acknowledged, or after `drainMs`,
   * whichever is first. `remaining` records stay in the spool for the next start.
   */
  stop(drainMs: number): Promise<{ readonly remaining: bigint }>;
}

interface Flight {
  readonly lastSeq: bigint;
  /** As the spool counts its depth: records, not bodies. */
  readonly bytes: number;
}

const FIRST_RETRY_MS = 200;

/** Starts at once. The spool must stay open until `stop` has resolved. */
export function startShipper(options: ShipperOptions): Shipper {
  return new WindowShipper(options);
}

class WindowShipper implements Shipper {
  readonly #spool: Spool;
  readonly #transport: AuditTransport;
  readonly #clock: ShipperClock;
  readonly #batchBytes: number;
  readonly #windowBatches: number;
  readonly #lingerMs: number;
  readonly #resendAfterMs: number;
  readonly #maxPatienceMs: number;
  readonly #maxRetryMs: number;
  readonly #onProblem: (problem: ShipperProblem) => void;
  readonly #subscriptions: readonly Disposable[];
  readonly #done: Promise<void>;
  #flights: Flight[] = [];
  #next: bigint;
  /** Tries in a row that the transport or the spool failed, since everything there was could be sent. */
  #failures = 0;
  /** Times in a row that what was sent was not acknowledged, on a transport that works. */
  #losses = 0;
  #lastProgressMs: number;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #drainTo: bigint | undefined;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(options: ShipperOptions) {
    this.#spool = options.spool;
    this.#transport = options.transport;
    this.#clock = options.clock;
    this.#batchBytes = options.batchBytes ?? 256 * 1024;
    this.#windowBatches = options.windowBatches ?? 8;
    this.#lingerMs = options.lingerMs ?? 0;
    this.#resendAfterMs = options.resendAfterMs ?? 5_000;
    this.#maxPatienceMs = Math.max(options.maxPatienceMs ?? 60_000, this.#resendAfterMs);
    this.#maxRetryMs = options.maxRetryMs ?? 2_000;
    this.#onProblem = options.onProblem ?? (() => undefined);
    this.#next = options.spool.floor;
    this.#lastProgressMs = options.clock.nowMs();
    this.#subscriptions = [
      options.spool.onAppended(() => this.#wake()),
      options.transport.onAcknowledged(options.spool.producer, (seq) => void this.#acknowledged(seq)),
    ];
    this.#done = this.#run();
  }

  get inFlight(): number {
    return this.#flights.length;
  }

  async stop(drainMs: number): Promise<{ readonly remaining: bigint }> {
    this.#drainTo = this.#spool.head;
    using _limit = this.#clock.after(drainMs, () => this.#halt());
    this.#wake();
    await this.#done;
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    return { remaining: this.#spool.head + 1n - this.#spool.floor };
  }

  #halt(): void {
    this.#stopped = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#drained()) {
      if (this.#flights.length > 0 && this.#untilResendMs() <= 0) this.#lost();
      if (this.#next > this.#spool.head || this.#flights.length >= this.#windowBatches) {
        // Not with the first batch that gets through: of a transport that takes every second one, each failure sends the
        // first again.
        this.#failures = 0;
        await this.#pause(this.#flights.length > 0 ? this.#untilResendMs() : undefined);
        continue;
      }
      await this.#linger();
      if (!(await this.#sendNext())) await this.#backOff();
    }
  }

  /** Not cut short by appends, which it gathers; by `stop` it is. */
  async #linger(): Promise<void> {
    const ms = this.#sentAtMs + this.#lingerMs - this.#clock.nowMs();
    if (ms <= 0 || this.#mayNotLinger()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.after(ms, resolve);
    this.#wake = () => {
      if (this.#stopped || this.#mayNotLinger()) resolve();
    };
    await promise;
  }

  /** A batch is full of what was not sent yet, or `stop` waits. */
  #mayNotLinger(): boolean {
    const sent = this.#flights.reduce((sum, { bytes }) => sum + bytes, 0);
    return this.#drainTo !== undefined || this.#spool.depthBytes - sent >= this.#batchBytes;
  }

  async #sendNext(): Promise<boolean> {
    let kind: ShipperProblem['kind'] = 'spool_failed';
    try {
      const { firstSeq, bodies } = await this.#spool.read(this.#next, this.#batchBytes);
      const { producer, floor } = this.#spool;
      if (bodies.length === 0) return true;
      kind = 'send_failed';
      if (this.#flights.length === 0) this.#lastProgressMs = this.#clock.nowMs();
      // Noted before it is sent: an acknowledgement may overtake the broker's own answer.
      this.#next = firstSeq + BigInt(bodies.length);
      this.#flights.push({ lastSeq: this.#next - 1n, bytes: groupLength(bodies) });
      this.#sentAtMs = this.#clock.nowMs();
      await this.#taken(this.#transport.send({ producer, firstSeq, floor, bodies }), this.#next - 1n);
      return true;
    } catch (cause) {
      this.#failed(kind, cause);
      return false;
    }
  }

  /**
   * Resolves when the transport took what ends with `lastSeq`, or its acknowledgement came first, or `stop` is in a
   * hurry. Rejects when it failed, or has not answered for long: that is a broker that stands still, not a lost batch.
   */
  async #taken(sending: Promise<void>, lastSeq: bigint): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const silence = `no answer for ${this.#resendAfterMs} ms`;
    using _limit = this.#clock.after(this.#resendAfterMs, () => reject(new Error(silence)));
    this.#wake = () => {
      if (this.#stopped || this.#spool.floor > lastSeq) resolve();
    };
    sending.catch(() => undefined); // late: the resend covers it
    await Promise.race([sending, promise]);
  }

  #lost(): void {
    this.#losses += 1;
    this.#rewind();
    this.#onProblem({ kind: 'not_acknowledged' });
  }

  #failed(kind: ShipperProblem['kind'], cause: unknown): void {
    this.#failures += 1;
    this.#losses = 0; // how long acknowledgements took says nothing of the transport that comes back
    this.#rewind();
    this.#onProblem({ kind, cause });
  }

  #rewind(): void {
    this.#flights = [];
    this.#next = this.#spool.floor;
  }

  async #acknowledged(throughSeq: bigint): Promise<void> {
    if (throughSeq < this.#spool.floor) return; // an old one, again
    try {
      await this.#spool.acknowledge(throughSeq);
    } catch (cause) {
      const invalid = cause instanceof AuditLogError && cause.problem === 'invalid_acknowledgement';
      this.#onProblem({ kind: invalid ? 'invalid_acknowledgement' : 'spool_failed', cause });
      return;
    }
    this.#flights = this.#flights.filter((flight) => flight.lastSeq > throughSeq);
    if (this.#next <= throughSeq) this.#next = throughSeq + 1n;
    this.#losses = 0;
    this.#lastProgressMs = this.#clock.nowMs();
    this.#wake();
  }

  #drained(): boolean {
    return this.#drainTo !== undefined && this.#spool.floor > this.#drainTo;
  }

  /** Milliseconds until what is in flight counts as lost; longer after each loss in a row. */
  #untilResendMs(): number {
    const patienceMs = doubled(this.#resendAfterMs, this.#losses, this.#maxPatienceMs);
    return this.#lastProgressMs + patienceMs - this.#clock.nowMs();
  }

  /** Not cut short by appends: a broken transport must not be tried once for every event. */
  async #backOff(): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const delayMs = doubled(FIRST_RETRY_MS, this.#failures - 1, this.#maxRetryMs);
    using _timer = this.#clock.after(delayMs, resolve);
    this.#wake = () => {
      if (this.#stopped) resolve();
    };
    await promise;
  }

  /** Until woken (an append, an acknowledgement, `stop`) or, if given, for `ms`. */
  async #pause(ms: number | undefined): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = ms === undefined ? undefined : this.#clock.after(Math.max(ms, 0), resolve);
    this.#wake = resolve;
    await promise;
  }
}

function doubled(firstMs: number, times: number, maxMs: number): number {
  return Math.min(firstMs * 2 ** Math.min(times, 16), maxMs);
}
