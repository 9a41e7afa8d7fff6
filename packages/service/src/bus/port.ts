/**
 * The bus port, with the acknowledgement contract JetStream has. The in-process bus of the embedded profile and NATS
 * pass the same suite, `test/contract/bus.ts`.
 *
 * Subjects are dot-separated tokens (`audit.ack.gateway-1`); a subscription may use `*` for one token and a final `>`
 * for one or more, as in NATS. Delivery is at least once: handlers are idempotent.
 */

export interface BusMessage {
  readonly subject: string;
  /** Owned by the receiver; each subscription gets its own copy or an immutable view: do not write to it. */
  readonly payload: Uint8Array;
  readonly msgId: string | undefined;
  /** 1 on the first delivery, then counting up. A hint: a broker that restarts may begin anew. */
  readonly deliveries: number;
  /** The publisher's W3C `traceparent`, when it gave a valid one. Advice for traces, and nothing else. */
  readonly traceparent?: string;
}

/** Resolving acknowledges; rejecting asks for redelivery after a backoff. */
export type BusHandler = (message: BusMessage) => Promise<void>;

export interface PublishOptions {
  /** A second publication with the same id within the deduplication window is taken and dropped. */
  readonly msgId?: string;
  /** W3C `traceparent` of the publishing span. One that is not valid is left out: a trace never stops a message. */
  readonly traceparent?: string;
}

export interface SubscribeOptions {
  /**
   * Name of a durable consumer. What is published while nobody is attached waits for it; several subscribers under one
   * name share the work. Without a name: fan-out, each subscriber sees what is published while it is attached, and one
   * that falls behind loses its oldest messages: fit for announcements that are also polled.
   */
  readonly durable?: string;
  /**
   * Deliveries awaiting acknowledgement at a time. Default 1, which gives strict order per subject, redeliveries
   * included. Above 1 only first deliveries are in order.
   */
  readonly maxInFlight?: number;
  /** An unacknowledged delivery is repeated after this. Default 30 000 ms. */
  readonly ackTimeoutMs?: number;
  /** Waits before the 2nd, 3rd, … delivery; the last one repeats. Default [50, 200, 1000, 5000]. */
  readonly backoffMs?: readonly number[];
}

export interface Subscription extends AsyncDisposable {
  /** Takes no further messages and waits for running handlers. A durable consumer stays, and keeps collecting. */
  unsubscribe(): Promise<void>;
}

export interface Bus extends AsyncDisposable {
  /**
   * Resolves when the broker took the message. That is never durability: what must not be lost stays at its producer
   * until the consumer says so. Bounded in time; nothing is kept to be sent later. Throws `BusError`: `invalid` will never
   * do, `refused` not before the deployment changes, all others are worth another try.
   */
  publish(subject: string, payload: Uint8Array, options?: PublishOptions): Promise<void>;
  /**
   * Resolves when messages published from now on will reach `handler`; while the broker is away, at once, and it begins
   * when the broker is back. Throws `BusError`.
   */
  subscribe(subject: string, options: SubscribeOptions, handler: BusHandler): Promise<Subscription>;
  /** Asks the broker for a sign of life, within a bound. Throws `BusError`: `unavailable`, `closed`. */
  check(): Promise<void>;
  close(): Promise<void>;
}
