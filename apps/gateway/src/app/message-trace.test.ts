import type { OpenedFrame } from '@sallyport/channel';
import { createTelemetry, type Telemetry } from '@sallyport/service/telemetry';
import { describe, expect, test } from 'vitest';
import {
  appendStep,
  createMessageTraces,
  TRACE_LIMITS,
  tracesIn,
  UNTRACED,
  type FrameTraces,
  type MessageTrace,
} from './message-trace.ts';

const TRACE_ID = 'a'.repeat(32);
const PARENT = `00-${TRACE_ID}-${'b'.repeat(16)}-01`;

function frameOf(traces: readonly string[], kind = 'request'): OpenedFrame {
  const messages = traces.map((trace, index) => ({
    kind,
    sequence: index + 1,
    correlation: new Uint8Array(16),
    destination: 'orders',
    trace,
    payload: new Uint8Array(3),
  }));
  return { messages } as unknown as OpenedFrame;
}

type Stage = { readonly share?: number; readonly random?: () => number };

async function stage(
  { share = 0, random = () => 0.5 }: Stage,
  run: (stage: {
    begin: (frame: OpenedFrame, live?: { id: string }) => number[];
    telemetry: Telemetry;
    pass: (ms: number) => void;
    refused: () => number;
  }) => void | Promise<void>,
): Promise<void> {
  await using telemetry = createTelemetry({
    service: 'gateway',
    exporter: { kind: 'memory' },
    sampleRatio: share,
  });
  let nowMs = 0;
  let refused = 0;
  const { begin } = createMessageTraces({
    tracer: telemetry.tracer,
    monotonic: () => nowMs,
    random,
    onRefused: (count) => void (refused += count),
  });
  const one = { id: 'session' };
  await run({
    begin(frame, live = one) {
      const traces: FrameTraces = begin(live, frame, 0) ?? new Map<number, MessageTrace>();
      for (const trace of traces.values()) trace.end({});
      return [...traces.keys()];
    },
    telemetry,
    pass: (ms) => void (nowMs += ms),
    refused: () => refused,
  });
}

describe('which messages are traced', () => {
  test('those whose header asks for it, each in its own trace', async () => {
    await stage({}, ({ begin, telemetry }) => {
      const other = PARENT.replaceAll('a', 'c');
      expect(begin(frameOf(['', PARENT, '', other]))).toEqual([1, 3]);
      const own = telemetry.finished().filter(({ name }) => name === 'gateway.message');
      expect(own.map(({ traceId }) => traceId)).toEqual([TRACE_ID, 'c'.repeat(32)]);
      expect(own.map(({ parentSpanId }) => parentSpanId)).toEqual(['b'.repeat(16), 'b'.repeat(16)]);
      expect(own[0]?.attributes).toMatchObject({ 'messaging.batch.message_count': 4 });
    });
  });

  test.each([
    ['not sampled', `${PARENT.slice(0, -2)}00`],
    ['empty', ''],
    ['noise', 'nonsense'],
    ['all zero', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
    ['the version that must not be', `ff${PARENT.slice(2)}`],
    ['upper case', PARENT.toUpperCase()],
    ['as long as the header allows', PARENT + 'x'.repeat(200)],
    ['a longer version 00', `${PARENT}-more`],
    ['control characters', PARENT.replace('a', '\u0000')],
  ])('%s: no', async (_, trace) => {
    await stage({}, ({ begin, refused }) => {
      expect(begin(frameOf([trace]))).toEqual([]);
      expect(refused()).toBe(0);
    });
  });

  test('control messages: no', async () => {
    await stage({ share: 1 }, ({ begin }) => expect(begin(frameOf([PARENT, ''], 'control'))).toEqual([]));
  });

  test('nothing at all when nothing is recorded', () => {
    const { tracer } = createTelemetry({ service: 'x', exporter: { kind: 'none' } });
    const ports = { tracer, monotonic: () => 0, random: () => 0, onRefused: () => undefined };
    expect(createMessageTraces(ports)).toBe(UNTRACED);
  });
});

describe('traces that the gateway begins', () => {
  test('all of them, when all are wanted', async () => {
    await stage({ share: 1 }, ({ begin }) => expect(begin(frameOf(['', '', '']))).toEqual([0, 1, 2]));
  });

  test('a share of them, across frames of any size', async () => {
    // A generator of its own: the figure is the same in each run.
    let state = 42;
    const random = (): number => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
    await stage({ share: 0.1, random }, ({ begin, pass }) => {
      let traced = 0;
      let sent = 0;
      for (let i = 0; i < 2_000; i++) {
        pass(10_000);
        const size = 1 + (i % 7);
        sent += size;
        traced += begin(frameOf(Array.from({ length: size }, () => ''))).length;
      }
      expect(traced / sent).toBeGreaterThan(0.08);
      expect(traced / sent).toBeLessThan(0.12);
    });
  });

  test('never one that its client wants unrecorded', async () => {
    await stage({ share: 1 }, ({ begin }) =>
      expect(begin(frameOf([`${PARENT.slice(0, -2)}00`]))).toEqual([]),
    );
  });
});

describe('bounds, whatever clients ask for', () => {
  const many = frameOf(Array.from({ length: 256 }, () => PARENT));

  test('of a frame', async () => {
    await stage({}, ({ begin, refused }) => {
      expect(begin(many)).toHaveLength(TRACE_LIMITS.perFrame);
      expect(refused()).toBe(256 - TRACE_LIMITS.perFrame);
    });
  });

  test('of a session: a burst, then so many a second', async () => {
    await stage({}, ({ begin, pass }) => {
      const { burst, perSecond } = TRACE_LIMITS.session;
      const first = begin(many).length + begin(many).length + begin(many).length;
      expect(first).toBe(burst);
      pass(1_000);
      expect(begin(many)).toHaveLength(perSecond);
      pass(500);
      expect(begin(many)).toHaveLength(perSecond / 2);
    });
  });

  test('of the gateway: sessions without number do not help', async () => {
    await stage({}, ({ begin, pass }) => {
      let traced = 0;
      for (let i = 0; i < 100; i++) traced += begin(many, { id: String(i) }).length;
      expect(traced).toBe(TRACE_LIMITS.gateway.burst);
      pass(1_000);
      for (let i = 0; i < 100; i++) traced += begin(many, { id: `again ${i}` }).length;
      expect(traced).toBe(TRACE_LIMITS.gateway.burst + TRACE_LIMITS.gateway.perSecond);
    });
  });
});

describe('records of traced messages', () => {
  test('bear the context of their writing; others are as they were', async () => {
    await using telemetry = createTelemetry({ service: 'gateway', exporter: { kind: 'memory' } });
    const ports = {
      tracer: telemetry.tracer,
      monotonic: () => 0,
      random: () => 0.5,
      onRefused: () => undefined,
    };
    const frame = createMessageTraces(ports).begin({ id: 's' }, frameOf([PARENT]), 0);
    const trace = frame?.get(0);
    type Sequenced = { readonly seq: number; readonly traceparent?: string };
    const untraced: Sequenced = { seq: 1 };
    const traced: Sequenced = { seq: 2, ...(trace === undefined ? {} : { traceparent: trace.traceparent }) };
    const step = appendStep(tracesIn([{}, trace === undefined ? {} : { trace }]), [untraced, traced]);
    step.end('unrecorded');
    trace?.end({});
    const append = telemetry.finished().find(({ name }) => name === 'audit.append');
    expect(append).toMatchObject({ traceId: TRACE_ID, failed: true });
    expect(step.records).toEqual([
      untraced,
      { seq: 2, traceparent: `00-${TRACE_ID}-${append?.spanId ?? ''}-01` },
    ]);
    expect(appendStep(undefined, [untraced]).records).toEqual([untraced]);
  });
});
