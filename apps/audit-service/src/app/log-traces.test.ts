import { authenticationEvent, encodeEvent } from '@sallyport/audit-log';
import { createTelemetry, type Telemetry } from '@sallyport/service/telemetry';
import { describe, expect, test } from 'vitest';
import { createLogTraces, NO_LOG_TRACES, type LogTraces, type TracedDelivery } from './log-traces.ts';

const PRODUCER = 'spiffe://sallyport.test/svc/gateway#00';
const traceparentOf = (digit: string, span = 'b'): string => `00-${digit.repeat(32)}-${span.repeat(16)}-01`;

function delivery(overrides: Partial<TracedDelivery> = {}): TracedDelivery {
  return {
    input: { producer: PRODUCER, firstSeq: 7n, floor: 1n, bodies: [new Uint8Array(3), new Uint8Array(3)] },
    deliveries: 1,
    traces: [{ index: 1, traceparent: traceparentOf('a') }],
    ...overrides,
  };
}

async function stage(run: (traces: LogTraces, telemetry: Telemetry) => Promise<void>): Promise<void> {
  await using telemetry = createTelemetry({ service: 'audit-service', exporter: { kind: 'memory' } });
  await run(createLogTraces(telemetry.tracer), telemetry);
}

const leaves = [
  { index: 40, producer: PRODUCER, seq: 7n },
  { index: 41, producer: PRODUCER, seq: 8n },
];

describe('a traced event', () => {
  test('is taken, committed and covered, each below the step before', async () => {
    await stage(async (traces, telemetry) => {
      await traces.taking(delivery(), async () => traces.committed(leaves, traces.nowMs()));
      traces.covered(41);
      expect(telemetry.finished().map(({ name }) => name)).toEqual(['audit.commit', 'audit.take']);
      traces.covered(42, traces.nowMs());
      traces.covered(43, traces.nowMs());
      const spans = new Map(telemetry.finished().map((span) => [span.name, span]));
      expect([...spans.keys()]).toEqual(['audit.commit', 'audit.take', 'audit.sign', 'audit.checkpoint']);
      const [take, commit] = [spans.get('audit.take'), spans.get('audit.commit')];
      const [sign, checkpoint] = [spans.get('audit.sign'), spans.get('audit.checkpoint')];
      expect(take).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) });
      expect(take?.attributes).toMatchObject({ 'sallyport.audit.seq': '8' });
      expect(commit).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: take?.spanId });
      expect(commit?.attributes).toMatchObject({ 'sallyport.audit.leaf': 41 });
      expect(checkpoint).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: commit?.spanId });
      expect(checkpoint?.attributes).toMatchObject({ 'sallyport.audit.checkpoint_size': 42 });
      expect(checkpoint?.links).toEqual([{ traceId: sign?.traceId, spanId: sign?.spanId }]);
      expect(sign?.links).toEqual([{ traceId: commit?.traceId, spanId: commit?.spanId }]);
      expect(sign?.parentSpanId).toBeUndefined();
    });
  });

  test('is covered also by a checkpoint that another replica signed, without a link to it', async () => {
    await stage(async (traces, telemetry) => {
      await traces.taking(delivery(), async () => traces.committed(leaves, traces.nowMs()));
      traces.covered(42);
      const names = telemetry.finished().map(({ name }) => name);
      expect(names).toEqual(['audit.commit', 'audit.take', 'audit.checkpoint']);
      expect(telemetry.finished().at(-1)?.links).toEqual([]);
    });
  });

  test('that the batch says nothing of hangs below what it says itself', async () => {
    await stage(async (traces, telemetry) => {
      const event = authenticationEvent(
        {
          id: 'e',
          timeMs: 1,
          source: 'spiffe://x/svc/y',
          tenant: 'default',
          traceparent: traceparentOf('c', 'd'),
        },
        { activity: 'logon', method: 'psk', outcome: 'success', reason: 'ok' },
      );
      const bodies = [encodeEvent(event), new Uint8Array(3)];
      const input = { producer: PRODUCER, firstSeq: 7n, floor: 1n, bodies };
      await traces.taking(delivery({ input }), async () => undefined);
      const parents = telemetry
        .finished()
        .map(({ traceId, parentSpanId }) => [traceId[0], parentSpanId?.[0]]);
      expect(parents.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
        ['a', 'b'],
        ['c', 'd'],
      ]);
    });
  });

  test('of a batch that fails is failed, and what was thrown goes on', async () => {
    await stage(async (traces, telemetry) => {
      const mine = new Error('mine');
      await expect(traces.taking(delivery(), () => Promise.reject(mine))).rejects.toBe(mine);
      expect(telemetry.finished()).toMatchObject([{ name: 'audit.take', failed: true }]);
    });
  });
});

describe('what asks for no span, and what may not', () => {
  const input = delivery().input;
  const rows: readonly (readonly [string, Partial<TracedDelivery>])[] = [
    ['a batch that cannot be read', { input: undefined }],
    ['no trace', { traces: [] }],
    ['a context that is none', { traces: [{ index: 0, traceparent: 'x'.repeat(100_000) }] }],
    [
      'one that is not sampled',
      { traces: [{ index: 0, traceparent: `${traceparentOf('a').slice(0, -2)}00` }] },
    ],
    ['an index beyond the batch', { traces: [{ index: 2, traceparent: traceparentOf('a') }] }],
    ['an index that is none', { traces: [{ index: -1, traceparent: traceparentOf('a') }] }],
    ['a fourth delivery', { deliveries: 4 }],
    [
      'a body that only looks as if',
      {
        input: input && { ...input, bodies: [Buffer.from(`{"traceparent":"${traceparentOf('a')}"}`)] },
        traces: [],
      },
    ],
  ];
  test.each(rows)('%s', async (_, overrides) => {
    await stage(async (traces, telemetry) => {
      expect(await traces.taking(delivery(overrides), async () => 7)).toBe(7);
      expect(telemetry.finished()).toEqual([]);
    });
  });

  test('at most 64 traces of a batch', async () => {
    await stage(async (traces, telemetry) => {
      const many = Array.from({ length: 10_000 }, () => ({ index: 0, traceparent: traceparentOf('a') }));
      await traces.taking(delivery({ traces: many }), async () => undefined);
      expect(telemetry.finished()).toHaveLength(64);
    });
  });

  test('nothing at all without a collector', async () => {
    await using telemetry = createTelemetry({ service: 'x', exporter: { kind: 'none' } });
    expect(createLogTraces(telemetry.tracer)).toBe(NO_LOG_TRACES);
  });
});
