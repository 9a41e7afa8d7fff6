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

/** A span that its owner ends: for work that does not nest in one function. Never active in an async context. */
export interface OpenSpan extends Span {
  /** Once; later calls do nothing. `atMs`: of `Tracer.nowMs`, default now. */
  end(atMs?: number): void;
}

export interface SpanOptions {
  /** Default `internal`. */
  readonly kind?: SpanKind;
  /** A remote parent. Default: the span active in this async context; `null` begins a new trace. */
  readonly parent?: TraceContext | null;
  /** Other spans that this one has to do with; at most 64 are kept. */
  readonly links?: readonly TraceContext[];
  /** Of `Tracer.nowMs`; default now. */
  readonly startedAtMs?: number;
  /** With `parent: null`: the caller has chosen this trace, so it is recorded whatever the share of new ones. */
  readonly isChosen?: boolean;
}

export interface Tracer {
  /** Runs `fn` in a new span, ends it when `fn` settles, marks it failed when `fn` throws (and rethrows the same). */
  span<T>(
    name: string,
    attributes: Attributes,
    fn: (span: Span) => Promise<T>,
    options?: SpanOptions,
  ): Promise<T>;
  /** A span that the caller ends. What is not ended is never exported. */
  start(name: string, attributes: Attributes, options?: SpanOptions): OpenSpan;
  /** The span active in this async context; `formatTraceparent` makes the header of it. */
  active(): TraceContext | undefined;
  /** Milliseconds since the epoch with a fraction, for spans whose start or end is told afterwards. */
  nowMs(): number;
  /** False when nothing is ever recorded: then callers need not even ask for spans. */
  readonly isRecording: boolean;
  /** Share of new traces that is recorded, 0 to 1: for callers that choose by themselves which traces to begin. */
  readonly newTraceShare: number;
}
