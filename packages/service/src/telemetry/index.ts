export { createTelemetry } from './telemetry.ts';
export type { Exporter, FinishedSpan, Telemetry, TelemetryOptions } from './telemetry.ts';
export { openTelemetry, telemetryConfig } from './config.ts';
export type { OpenTelemetryOptions, TelemetryConfig } from './config.ts';
export type { OtlpOptions } from './export.ts';
export type { Attributes, AttributeValue, OpenSpan, Span, SpanKind, SpanOptions, Tracer } from './port.ts';
export { silentTracer } from './silent.ts';
export { formatTraceparent, parseTraceparent } from './traceparent.ts';
export type { TraceContext } from './traceparent.ts';
