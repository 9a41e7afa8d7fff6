/** Our tracer port over a provider of the OpenTelemetry SDK and a context store of its own. */
import {
  createContextKey,
  ROOT_CONTEXT,
  SpanKind as OtelSpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
  type SpanContext,
  type TracerProvider,
} from '@opentelemetry/api';
import type { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { redact, redactText } from '../log/index.ts';
import { redactAttributes } from './attributes.ts';
import type { OpenSpan, Span, SpanKind, SpanOptions, Tracer } from './port.ts';
import type { TraceContext } from './traceparent.ts';

const kinds = {
  internal: OtelSpanKind.INTERNAL,
  server: OtelSpanKind.SERVER,
  client: OtelSpanKind.CLIENT,
  producer: OtelSpanKind.PRODUCER,
  consumer: OtelSpanKind.CONSUMER,
} as const satisfies Record<SpanKind, OtelSpanKind>;

const MAX_LINKS = 64;
/** In the context of a new trace that was chosen by its caller. */
const chosen = createContextKey('sallyport: chosen');
const CHOSEN_ROOT = ROOT_CONTEXT.setValue(chosen, true);

export const isChosenRoot = (context: Context): boolean => context.getValue(chosen) === true;

/** Both clocks of a process drift apart; beyond this the civil one is right. */
const MAX_DRIFT_MS = 5;

function contextOf(span: OtelSpan): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
}

function spanContextOf({ traceId, spanId, sampled }: TraceContext): SpanContext {
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

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

/** Civil time with the resolution of the monotonic clock; follows the civil clock when that is set. */
function preciseClock(): () => number {
  let offsetMs = Date.now() - performance.now();
  return () => {
    const monotonicMs = performance.now();
    const civilMs = Date.now();
    if (Math.abs(civilMs - (monotonicMs + offsetMs)) > MAX_DRIFT_MS) offsetMs = civilMs - monotonicMs;
    return monotonicMs + offsetMs;
  };
}

export function createTracer(
  provider: TracerProvider,
  contexts: AsyncLocalStorageContextManager,
  { isRecording, newTraceShare }: Pick<Tracer, 'isRecording' | 'newTraceShare'>,
): Tracer {
  const inner = provider.getTracer('sallyport');
  const nowMs = preciseClock();

  function parentContext({ parent, isChosen = false }: SpanOptions): Context {
    if (parent === undefined) return contexts.active();
    if (parent === null) return isChosen ? CHOSEN_ROOT : ROOT_CONTEXT;
    return trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent));
  }

  function startIn(
    parent: Context,
    name: string,
    attributes: Parameters<Tracer['start']>[1],
    { kind = 'internal', links, startedAtMs }: SpanOptions,
  ): OtelSpan {
    return inner.startSpan(
      name,
      {
        kind: kinds[kind],
        attributes: redactAttributes(attributes),
        startTime: startedAtMs ?? nowMs(),
        ...(links === undefined
          ? {}
          : { links: links.slice(0, MAX_LINKS).map((link) => ({ context: spanContextOf(link) })) }),
      },
      parent,
    );
  }

  return {
    isRecording,
    newTraceShare,
    nowMs,
    async span(name, attributes, fn, options = {}) {
      const parent = parentContext(options);
      const span = startIn(parent, name, attributes, options);
      try {
        return await contexts.with(trace.setSpan(parent, span), () => fn(wrapSpan(span)));
      } catch (error) {
        recordThrown(span, error);
        throw error;
      } finally {
        span.end(nowMs());
      }
    },
    start(name, attributes, options = {}): OpenSpan {
      const span = startIn(parentContext(options), name, attributes, options);
      let isOver = false;
      return {
        ...wrapSpan(span),
        end(atMs) {
          if (isOver) return;
          isOver = true;
          span.end(atMs ?? nowMs());
        },
      };
    },
    active() {
      const span = trace.getSpan(contexts.active());
      return span === undefined ? undefined : contextOf(span);
    },
  };
}
