/**
 * The way of traced events from the spool to audit-service and back, as spans below the one that recorded them
 * (docs/adr/0070). Kept in memory and bounded: after a restart the events themselves still say which trace they belong to.
 */
import { tracesOf, type AuditEvent, type SpoolBatch } from '@sallyport/audit-log';
import { formatTraceparent, parseTraceparent, type OpenSpan, type Tracer } from '../telemetry/index.ts';

/** Of the event `index` of a batch; one event may belong to several traces. */
export type EventTrace = { readonly index: number; readonly traceparent: string };

export type TrailTraces = {
  /** The event is durable under this number. */
  appended(seq: bigint, event: AuditEvent): void;
  /** Before a batch is sent. `end`: the bus took it, or not. */
  ship(batch: Pick<SpoolBatch, 'firstSeq' | 'bodies'>): Shipping;
  /** Everything through this number is committed and under a checkpoint. */
  acknowledged(throughSeq: bigint): void;
};

export type Shipping = {
  /** Contexts of the spans, for the receiver; at most 64. */
  readonly traces: readonly EventTrace[];
  end(failure?: string): void;
};

/** Events that are on their way. Beyond it the oldest go on untraced. */
const MAX_EVENTS = 4_096;
/** Of a batch, as its receiver takes them. */
export const MAX_BATCH_TRACES = 64;
/** While nobody takes them, batches are sent again and again: the first times are enough to see. */
const MAX_SHIPPINGS = 3;

const NOTHING: Shipping = { traces: [], end: () => undefined };
export const NO_TRAIL_TRACES: TrailTraces = {
  appended: () => undefined,
  ship: () => NOTHING,
  acknowledged: () => undefined,
};

type OnItsWay = {
  readonly traceparents: readonly string[];
  readonly recordedAtMs: number;
  shippings: number;
};

export function createTrailTraces(tracer: Tracer | undefined): TrailTraces {
  if (tracer?.isRecording !== true) return NO_TRAIL_TRACES;
  const onItsWay = new Map<bigint, OnItsWay>();

  function start(name: string, traceparent: string, kind: 'producer' | 'internal', startedAtMs?: number) {
    const parent = parseTraceparent(traceparent);
    if (parent === undefined) return undefined;
    return tracer?.start(name, {}, { kind, parent, ...(startedAtMs === undefined ? {} : { startedAtMs }) });
  }

  return {
    appended(seq, event) {
      const traceparents = tracesOf(event);
      if (traceparents.length === 0) return;
      onItsWay.set(seq, { traceparents, recordedAtMs: tracer.nowMs(), shippings: 0 });
      for (const oldest of onItsWay.keys()) {
        if (onItsWay.size <= MAX_EVENTS) break;
        onItsWay.delete(oldest);
      }
    },

    ship({ firstSeq, bodies }) {
      if (onItsWay.size === 0) return NOTHING;
      const spans: OpenSpan[] = [];
      const traces: EventTrace[] = [];
      for (let index = 0; index < bodies.length; index++) {
        const event = onItsWay.get(firstSeq + BigInt(index));
        if (event === undefined) continue;
        event.shippings += 1;
        if (event.shippings > MAX_SHIPPINGS) continue;
        for (const traceparent of event.traceparents) {
          const span =
            traces.length < MAX_BATCH_TRACES ? start('audit.ship', traceparent, 'producer') : undefined;
          if (span === undefined) continue;
          span.set({
            'messaging.batch.message_count': bodies.length,
            'sallyport.audit.seq': String(firstSeq + BigInt(index)),
            'sallyport.audit.attempt': event.shippings,
          });
          spans.push(span);
          traces.push({ index, traceparent: formatTraceparent(span.context) });
        }
      }
      return {
        traces,
        end(failure) {
          for (const span of spans) {
            if (failure !== undefined) span.fail(failure);
            span.end();
          }
        },
      };
    },

    acknowledged(throughSeq) {
      for (const [seq, { traceparents, recordedAtMs }] of onItsWay) {
        // Of one spool and in its order, but appends may resolve out of it.
        if (seq > throughSeq) continue;
        onItsWay.delete(seq);
        for (const traceparent of traceparents) {
          start('audit.acknowledged', traceparent, 'internal', recordedAtMs)?.end();
        }
      }
    },
  };
}
