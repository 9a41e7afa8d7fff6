/**
 * A subscription to a durable consumer that outlives connections, servers and the consumer itself: whatever ends the
 * pulling, stream and consumer are looked for, made when they are gone, and pulled from again.
 */
import { jetstream, type ConsumerMessages } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { DeliveryOptions } from '../bus/delivery.ts';
import { BusError, type BusHandler, type Subscription } from '../bus/index.ts';
import type { Log } from '../log/index.ts';
import { Deliveries } from './deliveries.ts';
import { busError } from './failure.ts';
import type { NatsLink } from './link.ts';
import { ensureConsumer } from './provision.ts';
import type { StreamSpec } from './streams.ts';
import { pause } from './pause.ts';

export interface DurableOptions {
  readonly link: NatsLink;
  readonly log: Log;
  readonly stream: StreamSpec;
  readonly name: string;
  readonly subject: string;
  readonly delivery: DeliveryOptions;
  readonly handler: BusHandler;
}

/** How often an idle server says that the pull stands; two of these missed, and the pull is made anew. */
const HEARTBEAT_MS = 2000;
const PULL_EXPIRES_MS = 30_000;
const RETRY_MS = [100, 500, 2000] as const;
/** nats-server 2.9 removes the files of a deleted stream after its answer: one that is made meanwhile loses its own. */
const AFTER_LOSS_MS = 500;

/**
 * Resolves when the consumer is there and pulled from; while the broker is away, at once: it begins when the broker is
 * back. Throws `BusError`: `invalid` for a name that consumes another subject, `refused`.
 */
export async function followDurable(options: DurableOptions): Promise<Subscription> {
  const { link, log, stream, name, subject, delivery, handler } = options;
  const leaving = new AbortController();
  /** Handlers of sessions that ended under them. */
  const lingering = new Set<Promise<void>>();
  let session: { readonly messages: ConsumerMessages; readonly deliveries: Deliveries } | undefined;

  async function begin(connection: NatsConnection): Promise<void> {
    const info = await ensureConsumer(connection, stream, name, subject, delivery);
    const deliveries = new Deliveries(handler, delivery);
    try {
      const messages = await jetstream(connection)
        .consumers.getConsumerFromInfo(info)
        .consume({
          max_messages: delivery.maxInFlight,
          expires: PULL_EXPIRES_MS,
          idle_heartbeat: HEARTBEAT_MS,
          // A consumer that is gone is made anew here, not waited for.
          abort_on_missing_resource: true,
          callback: (message) => deliveries.take(message),
        });
      session = { messages, deliveries };
      void endWhenSilent(messages);
    } catch (error) {
      throw busError(`durable ${name} on ${subject}`, error);
    }
  }

  async function follow(): Promise<void> {
    for (let failures = 0; ;) {
      if (session !== undefined) {
        const { messages, deliveries } = session;
        const ended = await endOf(messages, leaving.signal);
        session = undefined;
        if (leaving.signal.aborted) return deliveries.leave();
        log.warn('a bus subscription ended and is made again', { durable: name, error: ended });
        // What still runs is finished beside the next session: its acknowledgements are lost, its work is not.
        const left = deliveries.leave();
        lingering.add(left);
        void left.finally(() => lingering.delete(left));
        await pause(AFTER_LOSS_MS, leaving.signal);
      }
      const connection = await link.whenUp(leaving.signal);
      if (connection === undefined) return;
      try {
        await begin(connection);
        failures = 0;
      } catch (error) {
        log.warn('a bus subscription cannot be made yet', { durable: name, error });
        await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 0, leaving.signal);
      }
    }
  }

  try {
    await begin(link.connection());
  } catch (error) {
    if (error instanceof BusError && error.kind !== 'unavailable' && error.kind !== 'full') throw error;
    log.warn('a bus subscription waits for the broker', { durable: name, error });
  }
  const following = follow();
  const unsubscribe = async (): Promise<void> => {
    leaving.abort();
    await following;
    await Promise.all(lingering);
  };
  return { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
}

/** The library would ask after its consumer too, and wait half a minute when it gets no answer. */
async function endWhenSilent(messages: ConsumerMessages): Promise<void> {
  for await (const { type } of messages.status()) {
    if (type === 'heartbeats_missed') await messages.close();
  }
}

/** When the pulling ended, by itself or because `signal` aborted. */
async function endOf(messages: ConsumerMessages, signal: AbortSignal): Promise<unknown> {
  const end = (): void => void messages.close();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  const ended = await messages.closed();
  signal.removeEventListener('abort', end);
  return ended;
}
