/** Batches from the producers, and the word back to them. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { eventsv1 } from '@sallyport/proto';
import { AUDIT_EVENTS_PATTERN, auditAckSubject, auditEventsSender } from '@sallyport/service/audit';
import type { Bus, Subscription } from '@sallyport/service/bus';
import type { Acknowledge } from '../app/ports.ts';
import type { Delivery } from '../app/take-batch.ts';

/** Enough for the windows of some producers to be gathered into one transaction. */
const MAX_IN_FLIGHT = 64;

export function followEvents(
  bus: Pick<Bus, 'subscribe'>,
  take: (delivery: Delivery) => Promise<void>,
): Promise<Subscription> {
  return bus.subscribe(
    AUDIT_EVENTS_PATTERN,
    { durable: 'audit-service', maxInFlight: MAX_IN_FLIGHT },
    ({ subject, payload, deliveries }) =>
      take({ input: batchInput(payload), sender: auditEventsSender(subject), deliveries }),
  );
}

function batchInput(payload: Uint8Array): Delivery['input'] {
  try {
    const { producer, firstSeq, floorSeq, bodies } = fromBinary(eventsv1.AuditBatchSchema, payload);
    return { producer, firstSeq, floor: floorSeq, bodies };
  } catch {
    return undefined;
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
