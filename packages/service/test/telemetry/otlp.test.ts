/** Spans on their way to a collector: an OTLP receiver nobody here wrote, one that refuses, one that never answers. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/metrics/index.ts';
import { createTelemetry, type TraceContext } from '../../src/telemetry/index.ts';
import { startOtlpReceiver, type OtlpReceiver } from '../../src/testing/index.ts';

const linked: TraceContext = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), sampled: true };

async function listening(
  answer: RequestListener,
): Promise<{ url: string; server: Server } & AsyncDisposable> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a real receiver', () => {
  let receiver: OtlpReceiver;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
  });
  afterAll(() => receiver[Symbol.asyncDispose]());

  test('gets the tree, the links, the times and who it was', async () => {
    const metrics = createMetrics({ service: 'key-service' });
    await using telemetry = createTelemetry({
      service: 'key-service',
      instance: 'key-1',
      version: '1.2.3',
      exporter: { kind: 'otlp-http', url: receiver.url },
    });
    telemetry.measure(metrics);
    const { tracer } = telemetry;
    const startedAtMs = tracer.nowMs() - 1_000;
    await tracer.span(
      'rotate',
      { key: 'k1' },
      async () => {
        const step = tracer.start('store', { rows: 3 }, { kind: 'client', startedAtMs });
        step.fail('disk_full');
        step.end(startedAtMs + 250);
        step.end();
      },
      { links: [linked], kind: 'server' },
    );
    await telemetry.flush();
    const [store, rotate] = receiver.spans().toSorted((a, b) => Number(a.start - b.start));
    expect(rotate).toMatchObject({
      service: 'key-service',
      instance: 'key-1',
      name: 'rotate',
      kind: 'server',
      parentSpanId: undefined,
      attributes: { key: 'k1' },
      links: [{ traceId: linked.traceId, spanId: linked.spanId }],
      isError: false,
    });
    expect(store).toMatchObject({
      name: 'store',
      kind: 'client',
      traceId: rotate?.traceId,
      parentSpanId: rotate?.spanId,
      isError: true,
    });
    expect(Number((store?.end ?? 0n) - (store?.start ?? 0n)) / 1e6).toBeCloseTo(250, 1);
    expect(receiver.spans()).toHaveLength(2);
    const shown = await metrics.exposition();
    expect(shown).toContain('sallyport_spans_total{result="exported",service="key-service"} 2');
    expect(shown).toContain('sallyport_spans_total{result="lost",service="key-service"} 0');
  });
});

describe('a collector that is no help', () => {
  test('refuses: reported, counted, and nothing else', async () => {
    await using collector = await listening((_, response) => void response.writeHead(400).end());
    const lost: number[] = [];
    const metrics = createMetrics({ service: 'x' });
    await using telemetry = createTelemetry({
      service: 'x',
      exporter: { kind: 'otlp-http', url: collector.url },
      onExportError: (_, spans) => void lost.push(spans),
    });
    telemetry.measure(metrics);
    await telemetry.tracer.span('x', {}, async () => undefined);
    await telemetry.flush();
    expect(lost).toEqual([1]);
    expect(await metrics.exposition()).toContain('sallyport_spans_total{result="lost",service="x"} 1');
  });

  test('hangs: spans wait in a bounded queue, and the rest is dropped and counted', async () => {
    await using collector = await listening(() => undefined);
    const metrics = createMetrics({ service: 'x' });
    const telemetry = createTelemetry({
      service: 'x',
      exporter: { kind: 'otlp-http', url: collector.url },
    });
    telemetry.measure(metrics);
    const startedAt = performance.now();
    for (let i = 0; i < 20_000; i++) telemetry.tracer.start('x', {}, { parent: null }).end();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const shown = await metrics.exposition();
    expect(shown).toContain('sallyport_spans_waiting{service="x"} 16384');
    expect(shown).toContain(`sallyport_spans_total{result="lost",service="x"} ${20_000 - 16_384}`);
    collector.server.closeAllConnections();
    collector.server.close();
    await telemetry.close();
  }, 30_000);

  test('gets its headers, and nobody else sees them', async () => {
    const seen: (string | undefined)[] = [];
    await using collector = await listening((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(403).end();
    });
    const errors: unknown[] = [];
    await using telemetry = createTelemetry({
      service: 'x',
      exporter: { kind: 'otlp-http', url: collector.url, headers: { authorization: 'Bearer canary' } },
      onExportError: (error) => void errors.push(error, error.message, error.stack),
    });
    await telemetry.tracer.span('x', {}, async () => undefined);
    await telemetry.flush();
    expect(seen).toEqual(['Bearer canary']);
    expect(JSON.stringify(errors)).not.toContain('canary');
  });
});
