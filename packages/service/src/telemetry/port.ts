import type { TraceContext } from './traceparent.ts';

export type AttributeValue =
  string | number | boolean | readonly string[] | readonly number[] | readonly boolean[];
/** Values pass the log's redaction; names follow OpenTelemetry's semantic conventions where there is one. */
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

export interface Span {
  readonly context: TraceContext;
  set(attributes: Attributes): void;
  event(name: string, attributes?: Attributes): void;
  /** Marks the span as failed with a short code; for failures that are return values. */
  fail(code: string): void;
}

export interface SpanOptions {
  /** Default `internal`. */
  readonly kind?: SpanKind;
  /** A remote parent. Default: the span active in this async context; `null` begins a new trace. */
  readonly parent?: TraceContext | null;
}

export interface Tracer {
  /** Runs `fn` in a new span, ends it when `fn` settles, marks it failed when `fn` throws (and rethrows the same). */
  span<T>(
    name: string,
    attributes: Attributes,
    fn: (span: Span) => Promise<T>,
    options?: SpanOptions,
  ): Promise<T>;
  /** The span active in this async context; `formatTraceparent` makes the header of it. */
  active(): TraceContext | undefined;
}
