/** Batches to audit-service over the bus, and its acknowledgements back. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { AuditTransport, SpoolBatch } from '@sallyport/audit-log';
import { eventsv1 } from '@sallyport/proto';
import type { Bus, BusMessage, Subscription } from '../bus/index.ts';
import type { Log } from '../log/index.ts';
import { auditAckSubject, auditEventsSubject, requireServiceOf } from './subjects.ts';
import type { EventTrace } from './trail-traces.ts';

export interface BusTransport extends AuditTransport, AsyncDisposable {
  /** `traces`: where those of the batch's events go on. */
  send(batch: SpoolBatch, traces?: readonly EventTrace[]): Promise<void>;
}

const RETRY_MS = [100, 500, 2_000, 10_000] as const;

/**
 * Throws `TypeError` for a `producer` that is not a service's. Subscribes in the background and tries again until it can: while the bus is down the service works and its spool
 * fills. Acknowledgements missed meanwhile come again, because the batch is sent again.
 */
export function busTransport(options: {
  readonly bus: Bus;
  readonly producer: string;
  readonly log: Log;
}): BusTransport {
  const { bus, producer, log } = options;
  const eventsSubject = auditEventsSubject(requireServiceOf(producer));
  const listeners = new Set<(throughSeq: bigint) => void>();
  const stopped = new AbortController();

  const onMessage = async (message: BusMessage): Promise<void> => {
    const throughSeq = acknowledgedBy(message.payload, producer);
    if (throughSeq === undefined) {
      // Resolving drops it: it would be no better the next time.
      log.warn('an audit acknowledgement was not for us or not readable', { subject: message.subject });
      return;
    }
    for (const listener of [...listeners]) listener(throughSeq);
  };

  const subscribed = (async (): Promise<Subscription | undefined> => {
    for (let attempt = 0; !stopped.signal.aborted; attempt += 1) {
      try {
        return await bus.subscribe(auditAckSubject(producer), {}, onMessage);
      } catch (error) {
        if (attempt === 0) log.warn('audit acknowledgements cannot be heard yet', { error });
        await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0, stopped.signal);
      }
    }
    return undefined;
  })();

  return {
    // No message id: a batch sent again must arrive again, also when the broker lost the first.
    send: (batch, traces = []) =>
      bus.publish(
        eventsSubject,
        toBinary(
          eventsv1.AuditBatchSchema,
          create(eventsv1.AuditBatchSchema, {
            producer: batch.producer,
            firstSeq: batch.firstSeq,
            floorSeq: batch.floor,
            bodies: [...batch.bodies],
            traces: [...traces],
          }),
        ),
        traces[0] === undefined ? {} : { traceparent: traces[0].traceparent },
      ),
    onAcknowledged(of, callback) {
      const listener = (throughSeq: bigint): void => {
        if (of === producer) callback(throughSeq);
      };
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await (await subscribed)?.unsubscribe();
    },
  };
}

/** The sequence an acknowledgement covers, when it is one and for this producer. */
function acknowledgedBy(payload: Uint8Array, producer: string): bigint | undefined {
  try {
    const ack = fromBinary(eventsv1.AuditAckSchema, payload);
    return ack.producer === producer ? ack.throughSeq : undefined;
  } catch {
    return undefined;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}
