/**
 * One consumer of the in-process bus: what waits for it, what was delivered and not yet acknowledged, and the
 * subscribers that share its work.
 *
 * Invariants: an entry is either waiting (in order of publication) or in flight; an entry in flight is with a handler or
 * in its backoff; at most `maxInFlight` are in flight; an entry leaves only by acknowledgement (or, without a durable
 * name, by being the oldest when the consumer is full).
 */
import { defaultDelivery, type DeliveryOptions } from './delivery.ts';
import type { BusHandler, BusMessage } from './port.ts';

export interface ConsumerLimits {
  readonly maxPending: number;
  readonly maxPendingBytes: number;
}

export interface Published {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly msgId: string | undefined;
  readonly traceparent?: string;
}

interface Entry extends Published {
  readonly order: number;
  deliveries: number;
  /** The acknowledgement time-out or the backoff that runs. */
  timer: NodeJS.Timeout | undefined;
}

interface Subscriber {
  readonly handler: BusHandler;
  readonly running: Set<Promise<void>>;
}

export class Consumer {
  readonly pattern: readonly string[];
  readonly #limits: ConsumerLimits;
  readonly #waiting: Entry[] = [];
  readonly #inFlight = new Set<Entry>();
  readonly #subscribers: Subscriber[] = [];
  #delivery = defaultDelivery;
  #bytes = 0;
  #lastOrder = 0;
  #nextSubscriber = 0;
  #pumping = false;

  constructor(pattern: readonly string[], limits: ConsumerLimits) {
    this.pattern = pattern;
    this.#limits = limits;
  }

  get attached(): boolean {
    return this.#subscribers.length > 0;
  }

  hasRoomFor(bytes: number): boolean {
    const count = this.#waiting.length + this.#inFlight.size;
    return count < this.#limits.maxPending && this.#bytes + bytes <= this.#limits.maxPendingBytes;
  }

  /** Drops the oldest that nobody works on until `bytes` fit. False when even that is not enough. */
  makeRoomFor(bytes: number): boolean {
    while (!this.hasRoomFor(bytes)) {
      const oldest = this.#waiting.shift();
      if (oldest === undefined) return false;
      this.#bytes -= oldest.payload.length;
    }
    return true;
  }

  push(message: Published): void {
    this.#bytes += message.payload.length;
    this.#waiting.push({ ...message, order: ++this.#lastOrder, deliveries: 0, timer: undefined });
    this.#pump();
  }

  attach(handler: BusHandler, delivery: DeliveryOptions): Subscriber {
    this.#delivery = delivery;
    const subscriber: Subscriber = { handler, running: new Set() };
    this.#subscribers.push(subscriber);
    this.#pump();
    return subscriber;
  }

  /** Resolves when the subscriber's running handlers have settled; what they leave goes to others, or waits. */
  async detach(subscriber: Subscriber): Promise<void> {
    const index = this.#subscribers.indexOf(subscriber);
    if (index >= 0) this.#subscribers.splice(index, 1);
    await Promise.all(subscriber.running);
    if (this.#subscribers.length > 0) return;
    for (const entry of this.#inFlight) this.#putBack(entry);
  }

  /** Forgets everything; running handlers are not waited for. */
  stop(): void {
    for (const entry of this.#inFlight) clearTimeout(entry.timer);
    this.#inFlight.clear();
    this.#waiting.length = 0;
    this.#subscribers.length = 0;
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    // Not in the publisher's own turn: it must not run, or fail with, a handler.
    setImmediate(() => {
      this.#pumping = false;
      while (this.#inFlight.size < this.#delivery.maxInFlight && this.#subscribers.length > 0) {
        const entry = this.#waiting.shift();
        if (entry === undefined) return;
        this.#inFlight.add(entry);
        this.#deliver(entry);
      }
    });
  }

  #deliver(entry: Entry): void {
    const subscriber = this.#subscribers[this.#nextSubscriber++ % this.#subscribers.length];
    if (subscriber === undefined) {
      this.#putBack(entry);
      return;
    }
    entry.deliveries += 1;
    const attempt = entry.deliveries;
    const { subject, msgId, deliveries, traceparent } = entry;
    const message: BusMessage = {
      subject,
      payload: entry.payload.slice(),
      msgId,
      deliveries,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
    entry.timer = setTimeout(() => this.#redeliver(entry), this.#delivery.ackTimeoutMs);
    const running = (async () => subscriber.handler(message))().then(
      () => this.#acknowledge(entry),
      () => this.#reject(entry, attempt),
    );
    subscriber.running.add(running);
    void running.finally(() => subscriber.running.delete(running));
  }

  /** A late acknowledgement of an earlier delivery counts too: the work is done. */
  #acknowledge(entry: Entry): void {
    clearTimeout(entry.timer);
    if (this.#inFlight.delete(entry)) this.#bytes -= entry.payload.length;
    else this.#dropWaiting(entry);
    this.#pump();
  }

  #reject(entry: Entry, attempt: number): void {
    if (!this.#inFlight.has(entry) || entry.deliveries !== attempt) return; // a later delivery is under way
    clearTimeout(entry.timer);
    const { backoffMs } = this.#delivery;
    const delay = backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? 0;
    entry.timer = setTimeout(() => this.#redeliver(entry), delay);
  }

  #redeliver(entry: Entry): void {
    if (!this.#inFlight.has(entry)) return;
    if (this.#subscribers.length === 0) this.#putBack(entry);
    else this.#deliver(entry);
  }

  #putBack(entry: Entry): void {
    clearTimeout(entry.timer);
    if (!this.#inFlight.delete(entry)) return;
    const at = this.#waiting.findIndex((other) => other.order > entry.order);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
    this.#pump();
  }

  #dropWaiting(entry: Entry): void {
    const at = this.#waiting.indexOf(entry);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#bytes -= entry.payload.length;
  }
}
