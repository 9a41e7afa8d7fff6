/**
 * Tracing over the OpenTelemetry SDK, with a provider and a context store per service.
 *
 * Nothing is registered globally: five services share a process in the embedded profile and each must export under its
 * own name. There are no instrumentation hooks either (they need a preload, vanish when bundled, and fail silently);
 * spans are made where the code says so.
 */
import {
  ROOT_CONTEXT,
  SpanKind as OtelSpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes as OtelAttributes,
  type Context,
  type Span as OtelSpan,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { isSecretName, redact, redactText } from '../log/index.ts';
import type { Attributes, AttributeValue, Span, SpanKind, SpanOptions, Tracer } from './port.ts';
import type { TraceContext } from './traceparent.ts';

export type Exporter =
  | { readonly kind: 'none' }
  /** `url` of the collector's trace endpoint, e.g. `https://collector:4318/v1/traces`. */
  | { readonly kind: 'otlp-http'; readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'memory' };

export interface TelemetryOptions {
  readonly service: string;
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
}

export interface Telemetry extends AsyncDisposable {
  readonly tracer: Tracer;
  /** Spans ended so far; always empty unless the exporter is `memory`. */
  finished(): readonly FinishedSpan[];
  /** Exports what has ended. Never rejects: tracing must not stop a service. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const kinds = {
  internal: OtelSpanKind.INTERNAL,
  server: OtelSpanKind.SERVER,
  client: OtelSpanKind.CLIENT,
  producer: OtelSpanKind.PRODUCER,
  consumer: OtelSpanKind.CONSUMER,
} as const satisfies Record<SpanKind, OtelSpanKind>;

const maxAttributeText = 1024;

function redactValue(name: string, value: AttributeValue): AttributeValue {
  if (isSecretName(name)) return '[secret]';
  if (typeof value === 'string') return redactText(value).slice(0, maxAttributeText);
  if (Array.isArray(value) && typeof value[0] === 'string') {
    return value.map((item) => redactText(String(item)).slice(0, maxAttributeText));
  }
  return value;
}

function redactAttributes(attributes: Attributes): OtelAttributes {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, redactValue(name, value) as string]],
    ),
  );
}

const contextOf = (span: OtelSpan): TraceContext => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
};

function wrapSpan(span: OtelSpan): Span {
  return {
    context: contextOf(span),
    set: (attributes) => void span.setAttributes(redactAttributes(attributes)),
    event: (name, attributes = {}) => void span.addEvent(name, redactAttributes(attributes)),
    fail: (code) => void span.setStatus({ code: SpanStatusCode.ERROR, message: redactText(code) }),
  };
}

/** Name and message as the log would show them (https://opentelemetry.io/docs/specs/semconv/exceptions/). */
function recordThrown(span: OtelSpan, error: unknown): void {
  const shown = error instanceof Error ? (redact(error) as Readonly<Record<string, unknown>>) : {};
  const { name, message } = shown;
  const type = typeof name === 'string' ? name : typeof error;
  span.addEvent('exception', {
    'exception.type': type,
    'exception.message': typeof message === 'string' ? message : '',
  });
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}

/** The exporter, but a failed delivery is told to `onError` as well. */
function watched(exporter: SpanExporter, onError: TelemetryOptions['onExportError']): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined) onError?.(result.error, spans.length);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
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
  };
}

function createTracer(provider: BasicTracerProvider, contexts: AsyncLocalStorageContextManager): Tracer {
  const inner = provider.getTracer('sallyport');

  function parentContext(parent: SpanOptions['parent']): Context {
    if (parent === undefined) return contexts.active();
    if (parent === null) return ROOT_CONTEXT;
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId: parent.traceId,
      spanId: parent.spanId,
      traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      isRemote: true,
    });
  }

  return {
    async span(name, attributes, fn, options = {}) {
      const parent = parentContext(options.parent);
      const kind = kinds[options.kind ?? 'internal'];
      const span = inner.startSpan(name, { kind, attributes: redactAttributes(attributes) }, parent);
      try {
        return await contexts.with(trace.setSpan(parent, span), () => fn(wrapSpan(span)));
      } catch (error) {
        recordThrown(span, error);
        throw error;
      } finally {
        span.end();
      }
    },
    active() {
      const span = trace.getSpan(contexts.active());
      return span === undefined ? undefined : contextOf(span);
    },
  };
}

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { service, exporter, sampleRatio = 1, onExportError } = options;
  if (!(sampleRatio >= 0 && sampleRatio <= 1)) throw new RangeError('sampleRatio is between 0 and 1');
  const memory = new InMemorySpanExporter();
  const processors: SpanProcessor[] = [];
  if (exporter.kind === 'memory') processors.push(new SimpleSpanProcessor(memory));
  if (exporter.kind === 'otlp-http') {
    const otlp = new OTLPTraceExporter({ url: exporter.url, headers: { ...exporter.headers } });
    processors.push(new BatchSpanProcessor(watched(otlp, onExportError)));
  }
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'sallyport' }),
    sampler:
      exporter.kind === 'none'
        ? new AlwaysOffSampler() // trace ids still travel, nothing is recorded
        : new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanProcessors: processors,
  });
  const contexts = new AsyncLocalStorageContextManager();
  contexts.enable();

  async function close(): Promise<void> {
    await provider.shutdown().catch(() => undefined); // `onExportError` has been told
    contexts.disable();
  }

  return {
    tracer: createTracer(provider, contexts),
    finished: () => memory.getFinishedSpans().map(finishedSpan),
    flush: () => provider.forceFlush().catch(() => undefined),
    close,
    [Symbol.asyncDispose]: close,
  };
}
