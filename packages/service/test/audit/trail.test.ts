import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { accountChangeEvent, decodeEvent, type AuditEvent } from '@sallyport/audit-log';
import { eventsv1 } from '@sallyport/proto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  AUDIT_EVENTS_PATTERN,
  auditAckSubject,
  auditEventsSender,
  startAuditTrail,
  type AuditTrail,
  type AuditTrailOptions,
} from '../../src/audit/index.ts';
import { memoryBus, type Bus, type BusMessage } from '../../src/bus/index.ts';
import { systemClock } from '../../src/clock/index.ts';
import { createMetrics } from '../../src/metrics/index.ts';
import { createTelemetry, formatTraceparent } from '../../src/telemetry/index.ts';
import { memoryLog } from '../../src/testing/index.ts';

const clock = systemClock();
const SERVICE = 'spiffe://sallyport.test/svc/key-service';

let directory: string;
let bus: Bus;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trail-'));
  bus = memoryBus({ clock });
});
afterEach(async () => {
  await bus.close();
  await rm(directory, { recursive: true, force: true });
});

const start = (overrides: Partial<AuditTrailOptions> = {}): Promise<AuditTrail> =>
  startAuditTrail({ serviceId: SERVICE, directory, bus, clock, log: memoryLog(), ...overrides });

function event(id: string): AuditEvent {
  return accountChangeEvent(
    { id, timeMs: clock.now(), source: SERVICE, tenant: 'default' },
    {
      activity: 'create',
      actor: { kind: 'service', name: 'key-service' },
      account: 'user:alice',
      action: 'psk.write',
      outcome: 'success',
      reason: 'ok',
    },
  );
}

/** What audit-service hears, acknowledged on the bus at once, as a broker would. */
async function listen(
  handler: (batch: eventsv1.AuditBatch) => Promise<void> = async () => {},
): Promise<eventsv1.AuditBatch[]> {
  const batches: eventsv1.AuditBatch[] = [];
  await bus.subscribe(AUDIT_EVENTS_PATTERN, { durable: 'audit-service' }, async ({ payload }: BusMessage) => {
    const batch = fromBinary(eventsv1.AuditBatchSchema, payload);
    batches.push(batch);
    await handler(batch);
  });
  return batches;
}

function acknowledge(
  producer: string,
  throughSeq: bigint,
  subject = auditAckSubject(producer),
): Promise<void> {
  return bus.publish(
    subject,
    toBinary(eventsv1.AuditAckSchema, create(eventsv1.AuditAckSchema, { producer, throughSeq })),
  );
}

async function until(done: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!done()) {
    if (performance.now() > end) throw new Error('did not happen in time');
    await delay(5);
  }
}

describe('the audit trail', () => {
  test('keeps an event that the broker took, and drops it when audit-service acknowledged', async () => {
    const batches = await listen();
    await using trail = await start();
    await trail.record(event('a'));
    await until(() => batches.length > 0);
    await delay(100);
    // The consumer took and acknowledged the delivery; that is the broker's affair.
    expect(trail.spool.floor).toBe(trail.spool.head);
    expect(trail.spool.depthBytes).toBeGreaterThan(0);
    await acknowledge(trail.spool.producer, trail.spool.head);
    await until(() => trail.spool.floor === trail.spool.head + 1n);
    expect(trail.spool.depthBytes).toBe(0);
  });

  test('sends what was recorded, in order, with its sequence', async () => {
    const batches = await listen();
    await using trail = await start();
    for (const id of ['a', 'b', 'c']) await trail.record(event(id));
    await until(() => batches.flatMap((batch) => batch.bodies).length >= 3);
    const first = batches[0];
    expect(first?.producer).toMatch(/^spiffe:\/\/sallyport\.test\/svc\/key-service#[0-9a-f]{16}$/);
    expect(first?.firstSeq).toBe(trail.spool.floor);
    const ids = batches
      .flatMap((batch) => batch.bodies)
      .map((body) => {
        const decoded = decodeEvent(body);
        return decoded.ok ? decoded.event.id : 'unreadable';
      });
    expect(ids.slice(0, 3)).toEqual(['a', 'b', 'c']);
  });

  test('sends again what is not acknowledged, though the broker took it', async () => {
    const batches = await listen();
    await using trail = await start({ resendAfterMs: 50 });
    await trail.record(event('a'));
    await until(() => batches.length >= 2);
    expect(batches[1]?.firstSeq).toBe(batches[0]?.firstSeq);
  });

  test('goes on under the same name and sequence after a restart, and sends what was left', async () => {
    const first = await start();
    await first.record(event('a'));
    const { producer, head } = first.spool;
    await first.dispose();
    const batches = await listen();
    await using second = await start();
    expect(second.spool.producer).toBe(producer);
    await until(() => batches.some((batch) => batch.firstSeq === head));
    await second.record(event('b'));
    expect(second.spool.head).toBe(head + 1n);
  });

  test('records while the bus is down', async () => {
    await bus.close();
    const log = memoryLog();
    await using trail = await start({ log });
    await trail.record(event('a'));
    await trail.ready();
    expect(trail.spool.depthBytes).toBeGreaterThan(0);
    await until(() => log.lines.some((line) => line.level === 'warn'));
  });

  test.each([
    ['for another producer', `${SERVICE}#0000000000000000`, 1n],
    ['for what was never recorded', undefined, 99n],
  ] as const)('ignores an acknowledgement %s', async (_case, producer, throughSeq) => {
    const batches = await listen();
    await using trail = await start();
    await trail.record(event('a'));
    await until(() => batches.length > 0);
    await acknowledge(producer ?? trail.spool.producer, throughSeq, auditAckSubject(trail.spool.producer));
    await bus.publish(auditAckSubject(trail.spool.producer), Uint8Array.of(0xff));
    await delay(50);
    expect(trail.spool.depthBytes).toBeGreaterThan(0);
    await acknowledge(trail.spool.producer, trail.spool.head);
    await until(() => trail.spool.depthBytes === 0);
  });

  test('that is full refuses, says so, and takes outcomes from its reserve', async () => {
    await using trail = await start({ maxBytes: 32_768 });
    const recording = (async () => {
      for (let count = 0; count < 1_000; count += 1) await trail.record(event(`e${count}`));
    })();
    await expect(recording).rejects.toMatchObject({ reason: 'spool_full', retryable: true });
    await expect(trail.ready()).rejects.toMatchObject({ reason: 'spool_full' });
    const { head } = trail.spool;
    await trail.record(event('outcome'), { useReserve: true });
    expect(trail.spool.head).toBe(head + 1n);
  });

  test('closed refuses', async () => {
    const trail = await start();
    await trail.dispose();
    await trail.dispose();
    await expect(trail.record(event('a'))).rejects.toMatchObject({ reason: 'unavailable' });
    await expect(trail.ready()).rejects.toMatchObject({ reason: 'unavailable' });
  });

  test('keeps its files to itself', async () => {
    await using trail = await start();
    await trail.record(event('a'));
    const files = await readdir(directory);
    expect(files).toContain('instance');
    for (const file of files) expect((await stat(join(directory, file))).mode & 0o077).toBe(0);
  });
});

test('the subject of an acknowledgement is the service and the first 8 bytes of the hash of its producer', () => {
  const producer = `${SERVICE}#3f9c`;
  const hash = createHash('sha256').update(producer).digest('hex').slice(0, 16);
  expect(auditAckSubject(producer)).toBe(`audit.ack.key-service.${hash}`);
});

test.each(['abc', 'spiffe://sallyport.test/user/alice#1', 'spiffe://sallyport.test/svc/other#1'])(
  '%s is no producer',
  (producer) => {
    expect(() => auditAckSubject(producer)).toThrow(TypeError);
  },
);

test.each([
  ['audit.events.gateway', 'gateway'],
  ['audit.events', undefined],
  ['audit.events.nobody', undefined],
  ['audit.events.gateway.more', undefined],
  ['audit.ack.gateway', undefined],
])('events on %s are of %s', (subject, sender) => {
  expect(auditEventsSender(subject)).toBe(sender);
});

describe('traces', () => {
  const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
  const traced = (id: string): AuditEvent => ({ ...event(id), traceparent: formatTraceparent(parent) });
  const telemetry = () => createTelemetry({ service: 'key-service', exporter: { kind: 'memory' } });

  test('of a traced event go on with its batch, and end with its acknowledgement', async () => {
    await using spans = telemetry();
    const got = Promise.withResolvers<BusMessage>();
    await bus.subscribe(AUDIT_EVENTS_PATTERN, {}, async (message) => got.resolve(message));
    await using trail = await start({ tracer: spans.tracer });
    await trail.record(traced('a'));
    const message = await got.promise;
    const batch = fromBinary(eventsv1.AuditBatchSchema, message.payload);
    await vi.waitFor(() => expect(spans.finished()).toHaveLength(1));
    const [ship] = spans.finished();
    expect(ship).toMatchObject({
      name: 'audit.ship',
      traceId: parent.traceId,
      parentSpanId: parent.spanId,
      attributes: { 'sallyport.audit.seq': '1', 'sallyport.audit.attempt': 1 },
    });
    const traceparent = `00-${parent.traceId}-${ship?.spanId ?? ''}-01`;
    expect(message.traceparent).toBe(traceparent);
    expect(batch.traces).toMatchObject([{ index: 0, traceparent }]);
    await bus.publish(
      auditAckSubject(batch.producer),
      toBinary(
        eventsv1.AuditAckSchema,
        create(eventsv1.AuditAckSchema, { producer: batch.producer, throughSeq: 1n }),
      ),
    );
    await vi.waitFor(() => expect(spans.finished()).toHaveLength(2));
    expect(spans.finished()[1]).toMatchObject({
      name: 'audit.acknowledged',
      traceId: parent.traceId,
      parentSpanId: parent.spanId,
    });
  });

  test('an event recorded while a traced call is served belongs to its trace', async () => {
    await using spans = telemetry();
    const batches = await listen();
    await using trail = await start({ tracer: spans.tracer });
    await spans.tracer.span('call', {}, () => trail.record(event('a')), { parent });
    await vi.waitFor(() => expect(batches).toHaveLength(1));
    const decoded = decodeEvent(batches[0]?.bodies[0] ?? new Uint8Array());
    const call = spans.finished().find(({ name }) => name === 'call');
    expect(decoded.ok && decoded.event.traceparent).toBe(`00-${parent.traceId}-${call?.spanId ?? ''}-01`);
  });

  test('an event that is in none leaves no span and no context', async () => {
    await using spans = telemetry();
    const batches = await listen();
    await using trail = await start({ tracer: spans.tracer });
    await trail.record(event('a'));
    await vi.waitFor(() => expect(batches).toHaveLength(1));
    expect(batches[0]?.traces).toEqual([]);
    expect(spans.finished()).toEqual([]);
  });

  test('a batch that nobody acknowledges is sent again and again, and seen three times', async () => {
    await using spans = telemetry();
    await using trail = await start({ tracer: spans.tracer, resendAfterMs: 20 });
    let sent = 0;
    await bus.subscribe(AUDIT_EVENTS_PATTERN, {}, async () => void (sent += 1));
    await trail.record(traced('a'));
    await vi.waitFor(() => expect(sent).toBeGreaterThan(4), { timeout: 15_000 });
    expect(spans.finished().filter(({ name }) => name === 'audit.ship')).toHaveLength(3);
  });
});

test('what waits in the spool is measured', async () => {
  const metrics = createMetrics({ service: 'key-service' });
  await using trail = await start({ metrics, maxBytes: 8_192 });
  const shown = async (name: string): Promise<number> =>
    Number(new RegExp(`^sallyport_${name}\\{.*\\} (.*)$`, 'mu').exec(await metrics.exposition())?.[1]);
  expect(await shown('audit_spool_stalled_seconds')).toBe(0);
  await trail.record(event('a'));
  expect(await shown('audit_spool_events')).toBe(1);
  expect(await shown('audit_spool_bytes')).toBeGreaterThan(100);
  await delay(20);
  expect(await shown('audit_spool_stalled_seconds')).toBeGreaterThan(0.01);
  await expect(
    (async () => {
      for (;;) await trail.record(event('a'));
    })(),
  ).rejects.toThrow('full');
  expect(await shown('audit_records_refused_total')).toBe(1);
});
