/**
 * A subscription without a durable name: what is published while it is attached, from a bounded queue of its own that
 * drops its oldest, exactly as the in-process bus does.
 */
import type { NatsConnection, Subscription as NatsSubscription } from '@nats-io/transport-node';
import { bounded } from '../bus/bounded.ts';
import { Consumer, type ConsumerLimits } from '../bus/consumer.ts';
import type { DeliveryOptions } from '../bus/delivery.ts';
import { BusError, type BusHandler, type Subscription } from '../bus/index.ts';
import { parsePattern } from '../bus/subject.ts';
import type { NatsLink } from './link.ts';
import { toBusMessage } from './message.ts';

export interface AnnouncementOptions {
  readonly link: NatsLink;
  readonly subject: string;
  readonly delivery: DeliveryOptions;
  readonly limits: ConsumerLimits;
  readonly handler: BusHandler;
  /** Until the server confirms. */
  readonly timeoutMs: number;
}

/**
 * Resolves when the server has the subscription; while the broker is away, at once: it begins when the broker is back,
 * and what was announced meanwhile is missed. Throws `BusError`: `invalid`, `refused`, `closed`.
 */
export async function followAnnouncements(options: AnnouncementOptions): Promise<Subscription> {
  const { link, subject, delivery, limits, handler, timeoutMs } = options;
  const consumer = new Consumer(parsePattern(subject), limits);
  const subscriber = consumer.attach(handler, delivery);
  let held: NatsSubscription | undefined;
  let isRefused = false;

  const attach = (connection: NatsConnection): void => {
    held = connection.subscribe(subject, {
      callback: (error, received) => {
        if (error !== null) {
          isRefused = true; // the connection's own watch logs it
          return;
        }
        const { payload, ...message } = toBusMessage(received, 1);
        if (consumer.makeRoomFor(payload.length)) consumer.push({ ...message, payload });
      },
    });
  };
  const reconnecting = link.onUp(attach);
  const unsubscribe = async (): Promise<void> => {
    reconnecting[Symbol.dispose]();
    if (held?.isClosed() === false) held.unsubscribe();
    await consumer.detach(subscriber);
    consumer.stop();
  };

  try {
    const connection = link.connection();
    attach(connection);
    await bounded(connection.flush(), timeoutMs);
  } catch (error) {
    if (!(error instanceof BusError) || error.kind !== 'unavailable') {
      await unsubscribe();
      throw error;
    }
  }
  if (isRefused) {
    await unsubscribe();
    throw new BusError(
      'refused',
      `subscribing to ${subject}: the NATS server does not let this user do that`,
    );
  }
  return { unsubscribe, [Symbol.asyncDispose]: unsubscribe };
}
