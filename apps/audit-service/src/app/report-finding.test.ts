import type { AuditEvent } from '@sallyport/audit-log';
import { manualClock } from '@sallyport/service/clock';
import { memoryLog } from '@sallyport/service/testing';
import { expect, test } from 'vitest';
import { findingReporter, type Finding } from './report-finding.ts';

const finding = (key: string): Finding => ({
  finding: 'poison_batch',
  key,
  title: 't'.repeat(2_000),
  description: 'd',
  severity: 'high',
});

function reporter() {
  const events: AuditEvent[] = [];
  const clock = manualClock();
  let isFull = false;
  const report = findingReporter({
    record: async (event) => {
      if (isFull) throw new Error('spool full');
      events.push(event);
    },
    serviceId: 'spiffe://sallyport.test/svc/audit-service',
    tenant: 'default',
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    log: memoryLog(),
  });
  return { events, clock, report, fill: (full: boolean) => void (isFull = full) };
}

test('the same finding is recorded once a minute', async () => {
  const { events, clock, report } = reporter();
  for (let i = 0; i < 100; i++) await report(finding('a'));
  await report(finding('b'));
  expect(events).toHaveLength(2);
  clock.advance(60_000);
  await report(finding('a'));
  expect(events).toHaveLength(3);
});

test('what could not be recorded is tried again', async () => {
  const { events, report, fill } = reporter();
  fill(true);
  await expect(report(finding('a'))).rejects.toThrow('spool full');
  fill(false);
  await report(finding('a'));
  expect(events).toHaveLength(1);
});

test('two replicas that find the same record the same event, and another minute or key another', async () => {
  const [one, two] = [reporter(), reporter()];
  await one.report(finding('a'));
  await two.report(finding('a'));
  await two.report(finding('b'));
  two.clock.advance(60_000);
  await two.report(finding('a'));
  await two.report({ ...finding('c'), isUnique: true });
  one.clock.advance(300_000);
  await one.report({ ...finding('c'), isUnique: true });
  const [a, c] = one.events.map(({ id }) => id);
  const ids = two.events.map(({ id }) => id);
  expect(ids[0]).toBe(a);
  expect(ids[3]).toBe(c);
  expect(new Set(ids).size).toBe(4);
});
