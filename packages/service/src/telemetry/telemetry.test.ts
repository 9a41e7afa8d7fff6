import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTelemetry, formatTraceparent, parseTraceparent, type TraceContext } from './index.ts';

const remote: TraceContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
const inMemory = (service = 'gateway') => createTelemetry({ service, exporter: { kind: 'memory' } });

describe('traceparent', () => {
  const id = `${'a'.repeat(32)}-${'b'.repeat(16)}`;
  const refused: readonly (string | undefined)[] = [
    undefined,
    '',
    'nonsense',
    `00-${id}`,
    `00-${id}-1`,
    `00-${id}-0g`,
    `00-${id}-01-extra`,
    `00-${id}-01 `,
    `ff-${id}-01`,
    `00-${id.toUpperCase()}-01`,
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
    `0-${id}-01`,
    `01-${id}-01-${'x'.repeat(600)}`,
  ];
  test.each(refused)('%j is refused', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  test.each([`01-${id}-01-more`, `cc-${id}-01`])(
    'a later version is read as far as it is known: %s',
    (header) => {
      expect(parseTraceparent(header)).toEqual(remote);
    },
  );

  test.each([
    ['00', false],
    ['01', true],
    ['fe', false],
    ['ff', true],
  ])('flags %s: sampled %s', (flags, sampled) => {
    expect(parseTraceparent(`00-${id}-${flags}`)?.sampled).toBe(sampled);
  });

  test('round trip', () => {
    const hex = (length: number) =>
      fc
        .string({
          unit: fc.constantFrom(...Array.from('0123456789abcdef')),
          minLength: length,
          maxLength: length,
        })
        .filter((text) => !/^0+$/.test(text));
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        expect(parseTraceparent(formatTraceparent({ traceId, spanId, sampled }))).toEqual({
          traceId,
          spanId,
          sampled,
        });
      }),
    );
  });
});

describe('spans', () => {
  test('nest by async context, across awaits, without mixing', async () => {
    await using telemetry = inMemory();
    const { tracer } = telemetry;
    await Promise.all(
      ['a', 'b'].map((name) =>
        tracer.span(name, {}, async (outer) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          await tracer.span(`${name} inner`, {}, async () => {
            expect(tracer.active()?.traceId).toBe(outer.context.traceId);
          });
        }),
      ),
    );
    const spans = new Map(telemetry.finished().map((span) => [span.name, span]));
    for (const name of ['a', 'b']) {
      expect(spans.get(`${name} inner`)?.parentSpanId).toBe(spans.get(name)?.spanId);
    }
    expect(spans.get('a')?.traceId).not.toBe(spans.get('b')?.traceId);
    expect(tracer.active()).toBeUndefined();
  });

  test('follow a remote parent, and begin anew when told to', async () => {
    await using telemetry = inMemory();
    await telemetry.tracer.span(
      'server',
      {},
      async () => telemetry.tracer.span('fresh', {}, async () => undefined, { parent: null }),
      { kind: 'server', parent: remote },
    );
    const [fresh, server] = telemetry.finished();
    expect(server).toMatchObject({ traceId: remote.traceId, parentSpanId: remote.spanId });
    expect(fresh?.traceId).not.toBe(remote.traceId);
    expect(fresh?.parentSpanId).toBeUndefined();
  });

  test('a parent that is not sampled is followed too, and its ids travel on', async () => {
    await using telemetry = inMemory();
    const parent = { ...remote, sampled: false };
    const seen = await telemetry.tracer.span('x', {}, async ({ context: own }) => own, { parent });
    expect(telemetry.finished()).toEqual([]);
    expect(seen).toMatchObject({ traceId: remote.traceId, sampled: false });
  });

  test('a throw marks the span and goes on as it was; a result comes back', async () => {
    await using telemetry = inMemory();
    const mine = new Error('could not parse "canary"');
    await expect(telemetry.tracer.span('x', {}, () => Promise.reject(mine))).rejects.toBe(mine);
    expect(await telemetry.tracer.span('y', {}, async () => 7)).toBe(7);
    const [x, y] = telemetry.finished();
    expect([x?.failed, y?.failed]).toEqual([true, false]);
    expect(x?.events[0]?.attributes).toEqual({
      'exception.type': 'Error',
      'exception.message': 'could not parse "…"',
    });
  });

  test('a failure that is a value is marked by code', async () => {
    await using telemetry = inMemory();
    await telemetry.tracer.span('x', {}, async (span) => span.fail('denied'));
    expect(telemetry.finished()[0]?.failed).toBe(true);
  });

  test('attributes are redacted wherever they are set', async () => {
    await using telemetry = inMemory();
    const attributes = {
      password: 'canary',
      header: 'Bearer canary',
      list: ['Bearer canary', 'fine'],
      long: 'x'.repeat(5000),
      absent: undefined,
      count: 3,
    };
    await telemetry.tracer.span('x', attributes, async (span) => {
      span.set({ 'session.token': 'canary' });
      span.event('e', attributes);
      span.fail('Bearer canary');
    });
    const [span] = telemetry.finished();
    expect(JSON.stringify(telemetry.finished())).not.toContain('canary');
    expect(span?.attributes).toMatchObject({
      count: 3,
      list: ['Bearer [secret]', 'fine'],
      long: 'x'.repeat(1024),
    });
    expect(span?.attributes).not.toHaveProperty('absent');
  });
});

describe('providers', () => {
  test('two services in one process keep apart, and nothing global is registered', async () => {
    await using gateway = inMemory('gateway');
    await using audit = inMemory('audit-service');
    await gateway.tracer.span('only mine', {}, async () => {
      expect(audit.tracer.active()).toBeUndefined();
      expect(trace.getSpan(context.active())).toBeUndefined();
      const global = trace.getTracer('x').startSpan('global');
      expect(global.isRecording()).toBe(false);
    });
    expect([gateway.finished().length, audit.finished().length]).toEqual([1, 0]);
  });

  test('without exporter ids exist and nothing is kept', async () => {
    await using telemetry = createTelemetry({ service: 'x', exporter: { kind: 'none' } });
    const own = await telemetry.tracer.span('x', {}, async (span) => span.context);
    expect(parseTraceparent(formatTraceparent(own))).toEqual(own);
    expect(telemetry.finished()).toEqual([]);
  });

  test('a collector that refuses is reported and stops nothing', async () => {
    const collector = createServer((_, response) => void response.writeHead(400).end());
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
    const lost: number[] = [];
    const telemetry = createTelemetry({
      service: 'x',
      exporter: { kind: 'otlp-http', url },
      onExportError: (_, spans) => void lost.push(spans),
    });
    await telemetry.tracer.span('x', {}, async () => undefined);
    await telemetry.flush();
    await telemetry.close();
    collector.closeAllConnections();
    collector.close();
    expect(lost).toEqual([1]);
  });

  test.each([-0.1, 1.1, Number.NaN])('a sample ratio of %s is refused', (sampleRatio) => {
    expect(() => createTelemetry({ service: 'x', exporter: { kind: 'memory' }, sampleRatio })).toThrow(
      RangeError,
    );
  });

  test('a ratio of 0 records no new trace but follows a sampled parent', async () => {
    await using telemetry = createTelemetry({ service: 'x', exporter: { kind: 'memory' }, sampleRatio: 0 });
    await telemetry.tracer.span('new', {}, async () => undefined);
    await telemetry.tracer.span('followed', {}, async () => undefined, { parent: remote });
    expect(telemetry.finished().map(({ name }) => name)).toEqual(['followed']);
  });

  test('a ratio of 0 records the new trace that its caller has chosen', async () => {
    await using telemetry = createTelemetry({ service: 'x', exporter: { kind: 'memory' }, sampleRatio: 0 });
    telemetry.tracer.start('chosen', {}, { parent: null, isChosen: true }).end();
    telemetry.tracer.start('not', {}, { parent: null }).end();
    expect(telemetry.finished().map(({ name }) => name)).toEqual(['chosen']);
  });
});
