/**
 * The bus of the cluster profile. Subjects of its streams are stored by JetStream and consumed durably; every other
 * subject is an announcement over core NATS.
 */
import type { ConsumerLimits } from '../bus/consumer.ts';
import { deliveryOptions, requireDurableName } from '../bus/delivery.ts';
import { BusError, type Bus, type Subscription } from '../bus/index.ts';
import { parsePattern, parseSubject, subjectMatches } from '../bus/subject.ts';
import type { Metrics } from '../metrics/index.ts';
import { followAnnouncements } from './announcements.ts';
import { followDurable } from './durable.ts';
import { openLink } from './link.ts';
import { parseNatsOptions, type NatsOptions } from './options.ts';
import { createPublisher } from './publisher.ts';
import { auditStream, type StreamSpec } from './streams.ts';

export interface NatsBusOptions extends NatsOptions {
  readonly metrics?: Metrics;
  /** Default `[auditStream]`. */
  readonly streams?: readonly StreamSpec[];
  /** Until the broker took a message, or confirmed a subscription. Default 2000. */
  readonly timeoutMs?: number;
  /** Payload bytes that wait for the broker. Default 8 MiB; then `publish` rejects with `full`. */
  readonly maxWaitingBytes?: number;
  /** Announcements that one slow listener may leave waiting. Default 10 000. */
  readonly maxPending?: number;
  /** Their bytes. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** Largest payload. Default 1 MiB, as the server's. */
  readonly maxPayloadBytes?: number;
}

/**
 * Resolves when the bus is connected, or when no server can be reached: then it connects as soon as there is one, and
 * until then says `unavailable`. Throws `BusError`: `invalid` for options, `refused` when a server was reached that this
 * deployment does not fit (credentials, certificate, files).
 */
export async function openNatsBus(options: NatsBusOptions): Promise<Bus> {
  const { log, streams = [auditStream], timeoutMs = 2000, maxPayloadBytes = 1024 * 1024 } = options;
  const patterns = streams.map((stream) => ({ stream, patterns: stream.subjects.map(parsePattern) }));
  const limits: ConsumerLimits = {
    maxPending: options.maxPending ?? 10_000,
    maxPendingBytes: options.maxPendingBytes ?? 64 * 1024 * 1024,
  };
  const link = await openLink(parseNatsOptions(options));
  const subscriptions = new Set<Subscription>();
  let closed: Promise<void> | undefined;

  options.metrics?.gauge({
    name: 'bus_connected',
    help: '1 while there is a connection to the broker.',
    collect: () => (isUp() ? 1 : 0),
  });
  const isUp = (): boolean => {
    try {
      link.connection();
      return true;
    } catch {
      return false;
    }
  };

  const streamOf = (tokens: readonly string[]): StreamSpec | undefined =>
    patterns.find((row) => row.patterns.some((pattern) => subjectMatches(pattern, tokens)))?.stream;
  const send = createPublisher({
    link,
    isStored: (subject) => streamOf(parseSubject(subject)) !== undefined,
    timeoutMs,
    maxWaitingBytes: options.maxWaitingBytes ?? 8 * 1024 * 1024,
  });
  function requireOpen(): void {
    if (closed !== undefined) throw new BusError('closed', 'the bus is closed');
  }
  const close = (): Promise<void> => {
    closed ??= (async () => {
      await Promise.all([...subscriptions].map((subscription) => subscription.unsubscribe()));
      await link.close();
    })();
    return closed;
  };

  return {
    async publish(subject, payload, publishOptions = {}) {
      requireOpen();
      parseSubject(subject);
      if (payload.length > maxPayloadBytes) {
        throw new BusError(
          'invalid',
          `a payload of ${payload.length} bytes is above the limit of ${maxPayloadBytes}`,
        );
      }
      await send(subject, payload, publishOptions);
    },

    async subscribe(subject, subscribeOptions, handler) {
      requireOpen();
      const delivery = deliveryOptions(subscribeOptions);
      const tokens = parsePattern(subject);
      const { durable: name } = subscribeOptions;
      let followed: Subscription;
      if (name === undefined) {
        followed = await followAnnouncements({ link, subject, delivery, limits, handler, timeoutMs });
      } else {
        requireDurableName(name);
        const stream = streamOf(tokens);
        if (stream === undefined)
          throw new BusError(
            'invalid',
            `durable ${name}: no stream keeps ${subject}; announcements are not kept`,
          );
        followed = await followDurable({ link, log, stream, name, subject, delivery, handler });
      }
      const unsubscribe = async (): Promise<void> => {
        subscriptions.delete(subscription);
        await followed.unsubscribe();
      };
      const subscription: Subscription = { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
      subscriptions.add(subscription);
      return subscription;
    },

    check: () => link.check(timeoutMs),
    close,
    [Symbol.asyncDispose]: close,
  };
}
