/** Batches from the producers, and the word back to them. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { AUDIT_EVENTS_PATTERN, auditAckSubject, auditEventsSender } from '@sallyport/service/audit';
import type { Bus, Subscription } from '@sallyport/service/bus';
import type { Acknowledge } from '../app/ports.ts';
import type { EventTrace } from '../app/log-traces.ts';
import type { Delivery } from '../app/take-batch.ts';

export type TracedDelivery = Delivery & { readonly traces: readonly EventTrace[] };

/** Enough for the windows of some producers to be gathered into one transaction. */
const MAX_IN_FLIGHT = 64;

export function followEvents(
  bus: Pick<Bus, 'subscribe'>,
  take: (delivery: TracedDelivery) => Promise<void>,
): Promise<Subscription> {
  return bus.subscribe(
    AUDIT_EVENTS_PATTERN,
    { durable: 'audit-service', maxInFlight: MAX_IN_FLIGHT },
    ({ subject, payload, deliveries }) =>
      take({ ...contentOf(payload), sender: auditEventsSender(subject), deliveries }),
  );
}

function contentOf(payload: Uint8Array): Pick<TracedDelivery, 'input' | 'traces'> {
  try {
    const { producer, firstSeq, floorSeq, bodies, traces } = fromBinary(eventsv1.AuditBatchSchema, payload);
    return { input: { producer, firstSeq, floor: floorSeq, bodies }, traces };
  } catch {
    return { input: undefined, traces: [] };
  }
}

export function busAcknowledger(bus: Pick<Bus, 'publish'>): Acknowledge {
  return (producer, throughSeq, checkpointSize) =>
    bus.publish(
      auditAckSubject(producer),
      toBinary(
        eventsv1.AuditAckSchema,
        create(eventsv1.AuditAckSchema, { producer, throughSeq, checkpointSize: BigInt(checkpointSize) }),
      ),
    );
}
