/**
 * What one connection delivered of a durable consumer: handlers that run, and what the server is told of each.
 *
 * The server knows a short acknowledgement time, so that what a killed process held comes again soon; while a handler
 * runs, or its message waits for the next delivery, it is told that work goes on: for a handler up to the subscriber's
 * own time-out. Delivery counts only choose a backoff.
 */
import type { JsMsg } from '@nats-io/jetstream';
import type { DeliveryOptions } from '../bus/delivery.ts';
import type { BusHandler } from '../bus/index.ts';
import { toBusMessage } from './message.ts';
import { ackWaitMs } from './provision.ts';
import { pause } from './pause.ts';

export class Deliveries {
  readonly #handler: BusHandler;
  readonly #delivery: DeliveryOptions;
  readonly #running = new Set<Promise<void>>();
  /** The latest delivery of each message that is being handled, by its place in the stream. */
  readonly #latest = new Map<number, JsMsg>();
  readonly #leaving = new AbortController();

  constructor(handler: BusHandler, delivery: DeliveryOptions) {
    this.#handler = handler;
    this.#delivery = delivery;
  }

  take(message: JsMsg): void {
    if (this.#leaving.signal.aborted) return;
    const running = this.#handle(message);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /**
   * Takes nothing more, and resolves when nothing runs. What was not acknowledged comes again, to whoever pulls then, after
   * the server's own time-out. It is not given back earlier: nats-server 2.9 takes such a message out of its queue for the
   * pull that just ended, finds nobody there, and has spent a delivery for nothing.
   */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await Promise.all(this.#running);
  }

  async #handle(message: JsMsg): Promise<void> {
    const { ackTimeoutMs } = this.#delivery;
    const { seq: place } = message;
    const { deliveryCount } = message.info;
    this.#latest.set(place, message);
    const began = performance.now();
    try {
      using _telling = this.#tellOfWork(message, ackTimeoutMs);
      await this.#handler(toBusMessage(message, deliveryCount));
      quietly(() => message.ack());
    } catch {
      // After its time-out another delivery is under way, here or elsewhere, and must not be disturbed.
      const isLate = performance.now() - began >= ackTimeoutMs || this.#latest.get(place) !== message;
      if (!isLate) await this.#giveBack(message, deliveryCount);
    } finally {
      if (this.#latest.get(place) === message) this.#latest.delete(place);
    }
  }

  /** The wait is kept here, not by the server: leaving ends it. */
  async #giveBack(message: JsMsg, deliveryCount: number): Promise<void> {
    const { backoffMs } = this.#delivery;
    const delay = backoffMs[Math.min(deliveryCount, backoffMs.length) - 1] ?? 0;
    using _telling = this.#tellOfWork(message, Infinity);
    await pause(delay, this.#leaving.signal);
    if (!this.#leaving.signal.aborted) quietly(() => message.nak());
  }

  /** Says that work goes on, so that the server's own time-out comes `forMs` after now. */
  #tellOfWork(message: JsMsg, forMs: number): Disposable {
    const waitMs = ackWaitMs(this.#delivery);
    const everyMs = waitMs / 3;
    let left = Math.floor((forMs - waitMs) / everyMs);
    const timer = setInterval(() => {
      if (left-- > 0) quietly(() => message.working());
      else clearInterval(timer);
    }, everyMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }
}

/** On a connection that is gone nothing can be said, and need not: the server delivers again by itself. */
function quietly(say: () => void): void {
  try {
    say();
  } catch {
    // as above
  }
}
