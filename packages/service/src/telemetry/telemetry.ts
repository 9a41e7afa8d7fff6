import type { Tracer } from './port.ts';
import type { Attributes } from './port.ts';

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
  flush(): Promise<void>;
  close(): Promise<void>;
}

export function createTelemetry(_options: TelemetryOptions): Telemetry {
  throw new Error('in progress');
}
