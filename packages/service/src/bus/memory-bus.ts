/**
 * The bus of the embedded profile: in this process, and gone with it. That loses nothing, because no producer counts on
 * a bus: what matters stays in its spool until the consumer has it.
 */
import type { Clock } from '../clock/index.ts';
import { Consumer, type ConsumerLimits } from './consumer.ts';
import { DeduplicationWindow } from './deduplication-window.ts';
import { deliveryOptions, requireDurableName } from './delivery.ts';
import { BusError } from './error.ts';
import type { Bus, Subscription } from './port.ts';
import { parsePattern, parseSubject, subjectMatches } from './subject.ts';
import { validTraceparent } from './trace.ts';

export interface MemoryBusOptions {
  readonly clock: Clock;
  /** Consumers that exist from the start and collect before their subscriber attaches, as a deployment provisions them. */
  readonly durables?: readonly { readonly name: string; readonly subject: string }[];
  /** Messages one consumer may hold, in flight included. Default 10 000; then `publish` rejects with `full`. */
  readonly maxPending?: number;
  /** Payload bytes one consumer may hold. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Largest payload. Default 1 MiB, as in NATS. */
  readonly maxPayloadBytes?: number;
  /** Default 120 000 ms, as in JetStream. */
  readonly deduplicationWindowMs?: number;
}

interface Durable {
  readonly subject: string;
  readonly consumer: Consumer;
}

/** Throws `BusError` (`invalid`) when a durable's name or subject is not valid. */
export function memoryBus(options: MemoryBusOptions): Bus {
  const limits: ConsumerLimits = {
    maxPending: options.maxPending ?? 10_000,
    maxPendingBytes: options.maxPendingBytes ?? 64 * 1024 * 1024,
  };
  const maxPayloadBytes = options.maxPayloadBytes ?? 1024 * 1024;
  const seen = new DeduplicationWindow(options.clock, options.deduplicationWindowMs ?? 120_000);
  const durables = new Map<string, Durable>();
  const ephemerals = new Set<Consumer>();
  const subscriptions = new Set<Subscription>();
  let closed = false;

  function requireOpen(): void {
    if (closed) throw new BusError('closed', 'the bus is closed');
  }

  function durable(name: string, subject: string): Consumer {
    requireDurableName(name);
    const existing = durables.get(name);
    if (existing === undefined) {
      const consumer = new Consumer(parsePattern(subject), limits);
      durables.set(name, { subject, consumer });
      return consumer;
    }
    if (existing.subject !== subject) {
      throw new BusError('invalid', `durable ${name} consumes ${existing.subject}, not ${subject}`);
    }
    return existing.consumer;
  }

  for (const { name, subject } of options.durables ?? []) durable(name, subject);

  function ephemeral(subject: string): Consumer {
    const consumer = new Consumer(parsePattern(subject), limits);
    ephemerals.add(consumer);
    return consumer;
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.all([...subscriptions].map((subscription) => subscription.unsubscribe()));
    for (const { consumer } of durables.values()) consumer.stop();
  }

  return {
    async publish(subject, payload, { msgId, traceparent } = {}) {
      requireOpen();
      const tokens = parseSubject(subject);
      if (payload.length > maxPayloadBytes) {
        throw new BusError(
          'invalid',
          `a payload of ${payload.length} bytes is above the limit of ${maxPayloadBytes}`,
        );
      }
      if (msgId !== undefined && seen.has(msgId)) return;
      const concerned = [...durables].filter(([, { consumer }]) => subjectMatches(consumer.pattern, tokens));
      for (const [name, { consumer }] of concerned) {
        if (!consumer.hasRoomFor(payload.length))
          throw new BusError('full', `consumer ${name} is behind; try again`);
      }
      if (msgId !== undefined) seen.add(msgId);
      // The publisher may reuse its buffer.
      const message = { subject, payload: payload.slice(), msgId, ...validTraceparent(traceparent) };
      for (const [, { consumer }] of concerned) consumer.push(message);
      for (const consumer of ephemerals) {
        if (subjectMatches(consumer.pattern, tokens) && consumer.makeRoomFor(payload.length))
          consumer.push(message);
      }
    },

    async subscribe(subject, subscribeOptions, handler) {
      requireOpen();
      const delivery = deliveryOptions(subscribeOptions);
      const name = subscribeOptions.durable;
      const consumer = name === undefined ? ephemeral(subject) : durable(name, subject);
      const subscriber = consumer.attach(handler, delivery);
      async function unsubscribe(): Promise<void> {
        subscriptions.delete(subscription);
        if (name === undefined) ephemerals.delete(consumer);
        await consumer.detach(subscriber);
        if (name === undefined) consumer.stop();
      }
      const subscription: Subscription = { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
      subscriptions.add(subscription);
      return subscription;
    },

    async check() {
      requireOpen();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
