/**
 * An OTLP receiver for tests that we did not write (`@elastic/mockotlpserver`): what it decodes by OpenTelemetry's own
 * protobuf schema is what a collector would get.
 */
import { createRequire } from 'node:module';

/** The library has no types; this is what we use of it. */
type Library = {
  readonly MockOtlpServer: new (options: {
    readonly services: readonly 'http'[];
    readonly httpHostname: string;
    readonly httpPort: number;
    readonly logLevel: string;
    readonly onTrace: (request: unknown) => void;
  }) => { readonly httpUrl: unknown; start(): Promise<void>; close(): Promise<void> };
  readonly normalizeTrace: (request: unknown) => NormalizedRequest;
};

type NormalizedAttributes = Readonly<Record<string, unknown>>;
type NormalizedRequest = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: NormalizedAttributes };
    readonly scopeSpans: readonly { readonly spans: readonly NormalizedSpan[] }[];
  }[];
};
type NormalizedSpan = {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes?: NormalizedAttributes;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: string };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
};

export type ReceivedSpan = {
  readonly service: string;
  readonly instance: string | undefined;
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
  /** Nanoseconds since the epoch. */
  readonly start: bigint;
  readonly end: bigint;
};

export interface OtlpReceiver extends AsyncDisposable {
  /** Of its trace endpoint. */
  readonly url: string;
  spans(): readonly ReceivedSpan[];
}

/** One in a process at a time: what one hears, all hear. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  // Here and not at the top: it reads its schema when it is loaded, and few tests want it.
  const require = createRequire(import.meta.url);
  const { MockOtlpServer, normalizeTrace } = require('@elastic/mockotlpserver') as Library;
  const spans: ReceivedSpan[] = [];
  const server = new MockOtlpServer({
    services: ['http'],
    httpHostname: '127.0.0.1',
    httpPort: 0,
    logLevel: 'fatal',
    onTrace: (request) => void spans.push(...spansOf(normalizeTrace(request))),
  });
  await server.start();
  return {
    url: new URL('/v1/traces', String(server.httpUrl)).href,
    spans: () => spans,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function spansOf({ resourceSpans }: NormalizedRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(resource.attributes['service.name']),
        instance: resource.attributes['service.instance.id'] as string | undefined,
        name: span.name,
        kind: span.kind.replace('SPAN_KIND_', '').toLowerCase(),
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        attributes: span.attributes ?? {},
        links: (span.links ?? []).map((link) => ({ traceId: link.traceId, spanId: link.spanId })),
        isError: span.status?.code === 'STATUS_CODE_ERROR',
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
      })),
    ),
  );
}
