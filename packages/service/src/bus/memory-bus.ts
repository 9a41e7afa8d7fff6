import type { Clock } from '../clock/index.ts';
import type { Bus } from './port.ts';

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

export function memoryBus(_options: MemoryBusOptions): Bus {
  throw new Error('in progress');
}
