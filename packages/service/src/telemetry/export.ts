/**
 * Spans to a collector, by OTLP over HTTP in protobuf (https://opentelemetry.io/docs/specs/otlp/). A bounded queue in
 * memory and nothing that a caller waits for: what does not fit, or cannot be delivered, is lost and counted.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';

export interface OtlpOptions {
  /** Of the collector's trace endpoint, e.g. `https://collector:4318/v1/traces`. */
  readonly url: string;
  /** Such as `authorization`; never shown. */
  readonly headers?: Readonly<Record<string, string>>;
  /** PEM of the roots that the collector's certificate must lead to. Default: the system's. */
  readonly caPem?: string;
}

export interface SpanCounts {
  /** Delivered. */
  exported: number;
  /** Dropped for want of room, or not delivered. */
  lost: number;
  /** In memory. */
  waiting: number;
}

/** Some seconds of a gateway that traces all that it may (200 messages a second, 20 spans each). */
const MAX_QUEUE = 16_384;
const MAX_BATCH = 512;
const EVERY_MS = 1_000;
const TIMEOUT_MS = 5_000;

/** `onLost` hears of batches that could not be delivered; `counts` has those that found no room as well. */
export function otlpProcessor(
  { url, headers, caPem }: OtlpOptions,
  counts: SpanCounts,
  onLost: (error: Error, spans: number) => void,
): SpanProcessor {
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: TIMEOUT_MS,
    ...(caPem === undefined ? {} : { httpAgentOptions: { ca: caPem, minVersion: 'TLSv1.2' } }),
  });
  const batches = new BatchSpanProcessor(counted(exporter, counts, onLost), {
    maxQueueSize: MAX_QUEUE,
    maxExportBatchSize: MAX_BATCH,
    scheduledDelayMillis: EVERY_MS,
    exportTimeoutMillis: TIMEOUT_MS * 2,
  });
  return {
    onStart: (span, context) => batches.onStart(span, context),
    onEnd(span: ReadableSpan) {
      if (counts.waiting >= MAX_QUEUE) {
        counts.lost += 1;
        return;
      }
      counts.waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
}

function counted(
  exporter: SpanExporter,
  counts: SpanCounts,
  onLost: (error: Error, spans: number) => void,
): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        counts.waiting -= spans.length;
        if (result.error === undefined) counts.exported += spans.length;
        else {
          counts.lost += spans.length;
          onLost(result.error, spans.length);
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  };
}
