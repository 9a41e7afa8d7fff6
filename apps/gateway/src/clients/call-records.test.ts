import { encodeEvent, recordsOf, type AuditEvent } from '@sallyport/audit-log';
import { describe, expect, test } from 'vitest';
import type { RecordedCall } from '../door/guarded/ports.ts';
import { caller } from '../../test/door/support/guarded.ts';
import { callRecords } from './call-records.ts';

const ALLOW = {
  decision: 'allow',
  reason: 'granted',
  policyRevision: '7',
  requestDigest: 'ab'.repeat(32),
} as const;
const DONE = { outcome: 'success', status: 'ok', durationMs: 1.5 } as const;

describe('records of calls', () => {
  function recording() {
    const events: { event: AuditEvent; useReserve: boolean }[] = [];
    const trail = {
      record: async (event: AuditEvent, { useReserve = false } = {}) => {
        encodeEvent(event); // Throws where it is out of its bounds.
        events.push({ event, useReserve });
      },
    };
    const context = (tenant: string) => ({ id: 'e', timeMs: 1, source: 'spiffe://x/svc/gateway', tenant });
    return { records: callRecords(trail, context), events };
  }
  const call = (more: Partial<RecordedCall> = {}): RecordedCall => ({
    caller: caller(),
    route: 'everything',
    correlation: '0f'.repeat(16),
    action: 'context.tools.call',
    target: 'echo',
    argumentsDigest: 'cd'.repeat(32),
    seq: 3n,
    ...more,
  });

  test('are those of the channel, with what was asked for inside the destination', async () => {
    const { records, events } = recording();
    await records.decision(call(), ALLOW);
    await records.outcome(call(), DONE);
    expect(events.flatMap(({ event }) => recordsOf(event))).toMatchObject([
      {
        phase: 'decision',
        principal: 'user:alice',
        action: 'context.tools.call',
        destination: 'everything',
        target: 'echo',
        argumentsDigest: 'cd'.repeat(32),
        decision: 'allow',
        policyRevision: '7',
        seq: 3n,
      },
      { phase: 'outcome', destination: 'everything', target: 'echo', outcome: 'success' },
    ]);
  });

  test('of outcomes may use the reserve, and of decisions not', async () => {
    const { records, events } = recording();
    await records.decision(call(), ALLOW);
    await records.outcome(call(), DONE);
    expect(events.map(({ useReserve }) => useReserve)).toEqual([false, true]);
  });

  test.each<[string, Partial<RecordedCall>]>([
    ['a URI of a mebibyte', { target: `file:///${'é'.repeat(2 ** 19)}` }],
    ['half a character', { target: 'a\ud800' }],
    ['control characters', { target: '\u0000'.repeat(300) }],
  ])('fit the log for %s', async (_, more) => {
    const { records, events } = recording();
    await records.decision(call(more), ALLOW);
    expect(Buffer.byteLength(recordsOf(events[0]?.event as AuditEvent)[0]?.target ?? '')).toBeLessThanOrEqual(
      255,
    );
  });

  test('fit the log whatever policy and servers call things', async () => {
    const { records, events } = recording();
    await records.decision(call(), {
      ...ALLOW,
      reason: 'a reason with spaces\n'.repeat(9),
      policyRevision: '',
    });
    await records.outcome(call({ traceparent: 'rubbish' }), { ...DONE, status: '' });
    expect(events).toHaveLength(2);
  });

  test('count the places in each session', () => {
    const { records } = recording();
    const [alice, bob] = [caller(), caller('user:bob')];
    expect([alice, alice, bob, alice].map((who) => records.nextSeq(who))).toEqual([0n, 1n, 0n, 2n]);
  });
});
