/**
 * Makes streams and durable consumers that are missing. Idempotent, and safe from several processes at once.
 *
 * It never changes a stream: one that exists with other subjects or another retention is an operator's decision or a
 * mistake, and both are said, not overwritten. Bounds and replicas may differ: those are an operator's to set.
 */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import { defaultDelivery, type DeliveryOptions } from '../bus/delivery.ts';
import { BusError } from '../bus/index.ts';
import { busError } from './failure.ts';
import { openLink } from './link.ts';
import { parseNatsOptions, type NatsOptions } from './options.ts';
import { auditConsumer, auditStream, type StreamSpec } from './streams.ts';

/** The server redelivers what a process held that is gone after this; a live handler says that it still works. */
const MAX_ACK_WAIT_MS = 2000;
const API_TIMEOUT_MS = 3000;

export interface ProvisionOptions extends NatsOptions {
  /** Default `auditStream`. */
  readonly stream?: StreamSpec;
  /** Default `auditConsumer`. */
  readonly consumers?: readonly { readonly name: string; readonly subject: string }[];
}

/**
 * Stream and consumers exist when it resolves. For audit-service (which does the same when it subscribes) or an operator;
 * no other service may. Throws `BusError`: `invalid` for a stream that is there with other rules, `refused`, `full`
 * when the server has not the room, `unavailable`.
 */
export async function provisionNats(options: ProvisionOptions): Promise<void> {
  const { stream = auditStream, consumers = [auditConsumer] } = options;
  const link = await openLink(parseNatsOptions(options));
  try {
    const connection = link.connection();
    await ensureStream(await managerOf(connection), stream).catch((error: unknown) => {
      throw busError(`stream ${stream.name}`, error);
    });
    for (const { name, subject } of consumers)
      await ensureConsumer(connection, stream, name, subject, undefined);
  } finally {
    await link.close();
  }
}

/** How long the server waits for an acknowledgement, or a word that the handler still works. */
export function ackWaitMs(delivery: DeliveryOptions): number {
  return Math.min(delivery.ackTimeoutMs, MAX_ACK_WAIT_MS);
}

/**
 * The durable consumer of `stream`, made with the stream when missing. `delivery` undefined: an existing one stays as it
 * is. Throws `BusError`; `invalid` when the name consumes another subject.
 */
export async function ensureConsumer(
  connection: NatsConnection,
  stream: StreamSpec,
  name: string,
  subject: string,
  delivery: DeliveryOptions | undefined,
): Promise<ConsumerInfo> {
  try {
    const manager = await managerOf(connection);
    await ensureStream(manager, stream);
    const existing = await manager.consumers
      .info(stream.name, name)
      .catch(absent(JetStreamApiCodes.ConsumerNotFound));
    if (existing !== undefined && existing.config.filter_subject !== subject) {
      const consumes = String(existing.config.filter_subject);
      throw new BusError('invalid', `durable ${name} consumes ${consumes}, not ${subject}`);
    }
    const wanted = deliveryConfig(delivery ?? defaultDelivery);
    if (existing === undefined) {
      return await manager.consumers.add(stream.name, {
        durable_name: name,
        filter_subject: subject,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        max_deliver: -1,
        ...wanted,
      });
    }
    const { ack_wait, max_ack_pending } = existing.config;
    if (
      delivery === undefined ||
      (ack_wait === wanted.ack_wait && max_ack_pending === wanted.max_ack_pending)
    )
      return existing;
    return await manager.consumers.update(stream.name, name, wanted);
  } catch (error) {
    throw busError(`durable ${name} on ${subject}`, error);
  }
}

const managerOf = (connection: NatsConnection): Promise<JetStreamManager> =>
  jetstreamManager(connection, { checkAPI: false, timeout: API_TIMEOUT_MS });

const deliveryConfig = (delivery: DeliveryOptions) => ({
  ack_wait: nanos(ackWaitMs(delivery)),
  max_ack_pending: delivery.maxInFlight,
});

async function ensureStream(manager: JetStreamManager, spec: StreamSpec): Promise<void> {
  const existing = await manager.streams.info(spec.name).catch(absent(JetStreamApiCodes.StreamNotFound));
  if (existing === undefined) {
    await manager.streams.add(streamConfig(spec));
    return;
  }
  const { subjects, retention, discard, deny_delete, deny_purge } = existing.config;
  const wanted = streamConfig(spec);
  if (
    retention !== wanted.retention ||
    discard !== wanted.discard ||
    String(subjects) !== String(wanted.subjects)
  ) {
    throw new BusError(
      'invalid',
      `stream ${spec.name} exists with other rules: wanted ${spec.retention} of ${spec.subjects.join(', ')} that refuses when full, found ${retention} of ${subjects.join(', ')} with discard ${discard}`,
    );
  }
  if (!deny_delete || !deny_purge) {
    throw new BusError(
      'invalid',
      `stream ${spec.name} exists without deny_delete and deny_purge: set both, or delete it and it is made anew`,
    );
  }
}

function streamConfig(spec: StreamSpec) {
  return {
    name: spec.name,
    subjects: [...spec.subjects],
    retention: spec.retention === 'workqueue' ? RetentionPolicy.Workqueue : RetentionPolicy.Interest,
    storage: StorageType.File,
    // The old must not make room for the new: the publisher is told, and waits.
    discard: DiscardPolicy.New,
    // Whoever publishes here names a subject for the server's receipt, which no permission covers; sent to the API, it
    // reads as a request to remove what others sent.
    deny_delete: true,
    deny_purge: true,
    max_bytes: spec.maxBytes,
    max_msgs: spec.maxMessages ?? -1,
    max_age: nanos(spec.maxAgeMs),
    duplicate_window: nanos(spec.deduplicationWindowMs),
    num_replicas: spec.replicas ?? 1,
  } satisfies Partial<StreamConfig>;
}

/** For `catch`: an error with this code is an absence, any other is thrown on. */
function absent(code: number): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof JetStreamApiError && error.code === code) return undefined;
    throw error;
  };
}
