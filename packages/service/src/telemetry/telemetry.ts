/**
 * Tracing over the OpenTelemetry SDK, with a provider and a context store per service.
 *
 * Nothing is registered globally: five services share a process in the embedded profile and each must export under its
 * own name. There are no instrumentation hooks either (they need a preload, vanish when bundled, and fail silently);
 * spans are made where the code says so.
 */
import { SpanStatusCode } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type ReadableSpan,
  type Sampler,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Metrics } from '../metrics/index.ts';
import { otlpProcessor, type OtlpOptions, type SpanCounts } from './export.ts';
import type { Attributes, Tracer } from './port.ts';
import { createTracer, isChosenRoot } from './tracer.ts';
import type { TraceContext } from './traceparent.ts';

export type Exporter =
  { readonly kind: 'none' } | ({ readonly kind: 'otlp-http' } & OtlpOptions) | { readonly kind: 'memory' };

export interface TelemetryOptions {
  readonly service: string;
  /** Tells replicas apart. */
  readonly instance?: string;
  readonly version?: string;
  readonly exporter: Exporter;
  /** Share of new traces that is recorded, 0 to 1; a remote parent's choice is followed. Default 1. */
  readonly sampleRatio?: number;
  /** Told when a batch of spans could not be delivered and is lost; the SDK itself says nothing. */
  readonly onExportError?: (error: Error, lostSpans: number) => void;
}

export interface FinishedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Attributes;
  readonly failed: boolean;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly Pick<TraceContext, 'traceId' | 'spanId'>[];
}

export interface Telemetry extends AsyncDisposable {
  readonly tracer: Tracer;
  /** Registers the counts of spans delivered, lost and waiting; from then on they are read at each exposition. */
  measure(metrics: Pick<Metrics, 'counter' | 'gauge'>): void;
  /** Spans ended so far; always empty unless the exporter is `memory`. */
  finished(): readonly FinishedSpan[];
  /** Exports what has ended. Never rejects: tracing must not stop a service. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

function finishedSpan(span: ReadableSpan): FinishedSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    name: span.name,
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    attributes: span.attributes as Attributes,
    failed: span.status.code === SpanStatusCode.ERROR,
    events: span.events.map(({ name, attributes }) => ({
      name,
      attributes: (attributes ?? {}) as Attributes,
    })),
    links: span.links.map(({ context }) => ({ traceId: context.traceId, spanId: context.spanId })),
  };
}

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { service, instance, version, exporter, sampleRatio = 1, onExportError } = options;
  if (!(sampleRatio >= 0 && sampleRatio <= 1)) throw new RangeError('sampleRatio is between 0 and 1');
  const isRecording = exporter.kind !== 'none';
  const memory = new InMemorySpanExporter();
  const counts: SpanCounts = { exported: 0, lost: 0, waiting: 0 };
  const processors: SpanProcessor[] = [];
  if (exporter.kind === 'memory') processors.push(new SimpleSpanProcessor(memory));
  if (exporter.kind === 'otlp-http') {
    processors.push(otlpProcessor(exporter, counts, (error, spans) => onExportError?.(error, spans)));
  }
  const provider = new BasicTracerProvider({
    // https://opentelemetry.io/docs/specs/semconv/resource/
    resource: resourceFromAttributes({
      'service.name': service,
      'service.namespace': 'sallyport',
      ...(instance === undefined ? {} : { 'service.instance.id': instance }),
      ...(version === undefined ? {} : { 'service.version': version }),
    }),
    sampler: isRecording
      ? new ParentBasedSampler({ root: rootSampler(sampleRatio) })
      : new AlwaysOffSampler(), // trace ids still travel, nothing is recorded
    spanProcessors: processors,
  });
  const contexts = new AsyncLocalStorageContextManager();
  contexts.enable();

  async function close(): Promise<void> {
    await provider.shutdown().catch(() => undefined); // `onExportError` has been told
    contexts.disable();
  }

  return {
    tracer: createTracer(provider, contexts, { isRecording, newTraceShare: isRecording ? sampleRatio : 0 }),
    measure: (metrics) => countSpans(metrics, counts),
    finished: () => memory.getFinishedSpans().map(finishedSpan),
    flush: () => provider.forceFlush().catch(() => undefined),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A share of new traces, and those that their caller has chosen. */
function rootSampler(ratio: number): Sampler {
  const share = new TraceIdRatioBasedSampler(ratio);
  return {
    shouldSample: (context, traceId) =>
      isChosenRoot(context)
        ? { decision: SamplingDecision.RECORD_AND_SAMPLED }
        : share.shouldSample(context, traceId),
    toString: () => `chosen, or ${share.toString()}`,
  };
}

function countSpans(metrics: Pick<Metrics, 'counter' | 'gauge'>, counts: SpanCounts): void {
  const spans = metrics.counter({
    name: 'spans_total',
    help: 'Spans by what became of them: exported, or lost for want of room or of a collector',
    labels: ['result'],
  });
  const told = { exported: 0, lost: 0 };
  spans.add({ result: 'exported' }, 0);
  spans.add({ result: 'lost' }, 0);
  metrics.gauge({
    name: 'spans_waiting',
    help: 'Spans in memory that wait for the collector',
    collect() {
      for (const result of ['exported', 'lost'] as const) {
        spans.add({ result }, counts[result] - told[result]);
        told[result] = counts[result];
      }
      return counts.waiting;
    },
  });
}
