/**
 * The last part of a traced message's way (docs/adr/0070): its events taken, committed, and covered by a signed
 * checkpoint, each as a span of the message's own trace. Whichever replica signs, the one that committed an event sees it
 * covered. Kept in memory and bounded; a trace is advice, and nothing here can fail a batch.
 */
import { decodeEvent, mayBeTraced, tracesOf } from '@sallyport/audit-log';
import { parseTraceparent, type TraceContext, type Tracer } from '@sallyport/service/telemetry';
import type { BatchInput } from '../domain/batch.ts';
import type { NewLeaf } from '../domain/leaf.ts';

/** Of the event `index` of a batch: the producer's shipping span. */
export type EventTrace = { readonly index: number; readonly traceparent: string };

export type TracedDelivery = {
  readonly input: BatchInput | undefined;
  readonly deliveries: number;
  readonly traces: readonly EventTrace[];
};

export type LogTraces = {
  /** Runs `take` in the spans of the batch's traced events. */
  taking<T>(delivery: TracedDelivery, take: () => Promise<T>): Promise<T>;
  nowMs(): number;
  /** These leaves are on disk, by a transaction that began then. */
  committed(leaves: readonly Pick<NewLeaf, 'index' | 'producer' | 'seq'>[], startedAtMs: number): void;
  /** The newest checkpoint has so many leaves. `signedSinceMs`: when this replica began to make it. */
  covered(size: number, signedSinceMs?: number): void;
};

const MAX_TRACES = 64;
const MAX_WAITING = 4_096;
/** A batch that comes again and again is seen often enough by then. */
const MAX_DELIVERIES = 3;
const MAX_LINKS = 64;

export const NO_LOG_TRACES: LogTraces = {
  taking: (_delivery, take) => take(),
  nowMs: () => 0,
  committed: () => undefined,
  covered: () => undefined,
};

export function createLogTraces(tracer: Tracer): LogTraces {
  if (!tracer.isRecording) return NO_LOG_TRACES;
  /** Taken and not yet committed, by producer and sequence. */
  const taken = new Map<string, TraceContext[]>();
  const waiting: { readonly index: number; readonly context: TraceContext; readonly sinceMs: number }[] = [];

  async function taking<T>(delivery: TracedDelivery, take: () => Promise<T>): Promise<T> {
    const { input, deliveries } = delivery;
    const parents = input === undefined || deliveries > MAX_DELIVERIES ? [] : parentsOf(delivery);
    if (input === undefined || parents.length === 0) return take();
    const spans = parents.map(({ index, parent }) => {
      const key = keyOf(input.producer, input.firstSeq + BigInt(index));
      const span = tracer.start(
        'audit.take',
        {
          'messaging.batch.message_count': input.bodies.length,
          'sallyport.audit.producer': input.producer,
          'sallyport.audit.seq': String(input.firstSeq + BigInt(index)),
          'sallyport.audit.delivery': deliveries,
        },
        { kind: 'consumer', parent },
      );
      taken.set(key, [...(taken.get(key) ?? []), span.context]);
      return { key, span };
    });
    try {
      return await take();
    } catch (error) {
      for (const { span } of spans) span.fail('not_taken');
      throw error;
    } finally {
      for (const { key, span } of spans) {
        taken.delete(key);
        span.end();
      }
    }
  }

  return {
    taking,
    nowMs: () => tracer.nowMs(),
    committed(leaves, startedAtMs) {
      if (taken.size === 0) return;
      for (const { index, producer, seq } of leaves) {
        for (const parent of taken.get(keyOf(producer, seq)) ?? []) {
          const span = tracer.start(
            'audit.commit',
            { 'sallyport.audit.leaf': index, 'sallyport.audit.commit_leaves': leaves.length },
            { kind: 'client', parent, startedAtMs },
          );
          span.end();
          waiting.push({ index, context: span.context, sinceMs: tracer.nowMs() });
        }
      }
      if (waiting.length > MAX_WAITING) waiting.splice(0, waiting.length - MAX_WAITING);
    },
    covered(size, signedSinceMs) {
      if (waiting.length === 0) return;
      const covered = waiting.filter(({ index }) => index < size);
      if (covered.length === 0) return;
      waiting.splice(0, waiting.length, ...waiting.filter(({ index }) => index >= size));
      const attributes = { 'sallyport.audit.checkpoint_size': size };
      const links: TraceContext[] = [];
      if (signedSinceMs !== undefined) {
        const sign = tracer.start('audit.sign', attributes, {
          parent: null,
          isChosen: true,
          startedAtMs: signedSinceMs,
          links: covered.slice(0, MAX_LINKS).map(({ context }) => context),
        });
        sign.end();
        links.push(sign.context);
      }
      for (const { index, context, sinceMs } of covered) {
        tracer
          .start(
            'audit.checkpoint',
            { ...attributes, 'sallyport.audit.leaf': index },
            { parent: context, links, startedAtMs: sinceMs },
          )
          .end();
      }
    },
  };
}

const keyOf = (producer: string, seq: bigint): string => `${producer} ${seq}`;

type Parent = { readonly index: number; readonly parent: TraceContext };

/** From the batch; for the events that it says nothing of, from what they say themselves. */
function parentsOf({ input, traces }: TracedDelivery): Parent[] {
  const parents: Parent[] = [];
  const told = new Set<number>();
  const add = (index: number, traceparent: string): void => {
    const parent = parseTraceparent(traceparent);
    if (parent?.sampled === true && parents.length < MAX_TRACES) parents.push({ index, parent });
  };
  for (const { index, traceparent } of traces.slice(0, MAX_TRACES)) {
    if (input?.bodies[index] === undefined) continue;
    told.add(index);
    add(index, traceparent);
  }
  for (const [index, body] of (input?.bodies ?? []).entries()) {
    if (told.has(index) || parents.length >= MAX_TRACES || !mayBeTraced(body)) continue;
    const decoded = decodeEvent(body);
    for (const traceparent of decoded.ok ? tracesOf(decoded.event) : []) add(index, traceparent);
  }
  return parents;
}
