/** How a subscription wants its messages: the options of the port with their defaults, checked. */
import { BusError } from './error.ts';
import type { SubscribeOptions } from './port.ts';

export interface DeliveryOptions {
  readonly maxInFlight: number;
  readonly ackTimeoutMs: number;
  readonly backoffMs: readonly number[];
}

export const defaultDelivery: DeliveryOptions = {
  maxInFlight: 1,
  ackTimeoutMs: 30_000,
  backoffMs: [50, 200, 1000, 5000],
};

const DURABLE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Throws `BusError` (`invalid`). */
export function requireDurableName(name: string): void {
  if (!DURABLE_NAME.test(name))
    throw new BusError('invalid', `durable name must match ${DURABLE_NAME.source}`);
}

/** Throws `BusError` (`invalid`). */
export function deliveryOptions(options: SubscribeOptions): DeliveryOptions {
  const delivery: DeliveryOptions = {
    maxInFlight: options.maxInFlight ?? defaultDelivery.maxInFlight,
    ackTimeoutMs: options.ackTimeoutMs ?? defaultDelivery.ackTimeoutMs,
    backoffMs: options.backoffMs ?? defaultDelivery.backoffMs,
  };
  const { maxInFlight, ackTimeoutMs, backoffMs } = delivery;
  const valid =
    Number.isSafeInteger(maxInFlight) &&
    maxInFlight >= 1 &&
    ackTimeoutMs > 0 &&
    backoffMs.length > 0 &&
    backoffMs.every((ms) => ms >= 0);
  if (!valid) {
    throw new BusError(
      'invalid',
      'maxInFlight and ackTimeoutMs are above 0, backoffMs is a non-empty list of 0 or more',
    );
  }
  return delivery;
}
