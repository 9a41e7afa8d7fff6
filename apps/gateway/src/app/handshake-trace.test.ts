import { createTelemetry, type Telemetry } from '@sallyport/service/telemetry';
import { expect, test } from 'vitest';
import { createHandshakeTraces, type TraceHandshake } from './handshake-trace.ts';
import type { SessionOpening } from './open-session.ts';

const PARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const opening = {
  hello: async () => ({ kind: 'answered', frame: new Uint8Array(1) }),
  sessionId: () => 'session',
  authenticate: async () => ({ kind: 'refused', frame: new Uint8Array(1), cause: 'credential_invalid' }),
} as unknown as SessionOpening;

async function stage(run: (trace: TraceHandshake, telemetry: Telemetry) => Promise<void>): Promise<void> {
  await using telemetry = createTelemetry({
    service: 'gateway',
    exporter: { kind: 'memory' },
    sampleRatio: 0,
  });
  await run(
    createHandshakeTraces(telemetry.tracer, () => 0),
    telemetry,
  );
}

test('a handshake continues the trace of its connection, refusals with their cause', async () => {
  await stage(async (trace, telemetry) => {
    const traced = trace(opening, PARENT);
    expect(await traced.hello(new Uint8Array())).toMatchObject({ kind: 'answered' });
    expect(await traced.authenticate(new Uint8Array())).toMatchObject({ cause: 'credential_invalid' });
    expect(traced.sessionId()).toBe('session');
    expect(telemetry.finished()).toMatchObject([
      { name: 'gateway.hello', traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16), failed: false },
      { name: 'gateway.authenticate', traceId: 'a'.repeat(32), failed: true },
    ]);
  });
});

test.each([
  ['none', undefined],
  ['one that is not sampled', `${PARENT.slice(0, -2)}00`],
  ['noise', 'x'.repeat(10_000)],
  ['all zero', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
])('%s is not followed', async (_, traceparent) => {
  await stage(async (trace, telemetry) => {
    await trace(opening, traceparent).hello(new Uint8Array());
    expect(telemetry.finished()).toEqual([]);
  });
});

test('connections without number make no spans without number', async () => {
  await stage(async (trace, telemetry) => {
    for (let i = 0; i < 1_000; i++) await trace(opening, PARENT).hello(new Uint8Array());
    expect(telemetry.finished()).toHaveLength(20);
  });
});
