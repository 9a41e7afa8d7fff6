export { createTelemetry } from './telemetry.ts';
export type { Exporter, FinishedSpan, Telemetry, TelemetryOptions } from './telemetry.ts';
export type { Attributes, AttributeValue, Span, SpanKind, SpanOptions, Tracer } from './port.ts';
export { formatTraceparent, parseTraceparent } from './traceparent.ts';
export type { TraceContext } from './traceparent.ts';
