import { utf8 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { authenticationEvent } from './builders.ts';
import { decodeEvent, encodeEvent } from './codec.ts';
import { frameEvent, type MessageDecision } from './frames.ts';
import { MAX_EVENT_BYTES, MAX_FRAME_MESSAGES, MAX_TRACED_MESSAGES } from './limits.ts';
import { recordsOfBody } from './records.ts';
import { mayBeTraced, traced, tracesOf } from './traces.ts';

const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const context = {
  id: 'e1',
  timeMs: 1_700_000_000_000,
  source: 'spiffe://sallyport.local/svc/gateway',
  tenant: 'default',
};
const message: MessageDecision = {
  seq: 1n,
  correlation: '0a'.repeat(16),
  destination: 'orders',
  action: 'message.send',
  decision: 'allow',
  reason: 'role_grants',
  policyRevision: '7',
  requestDigest: 'ff'.repeat(32),
};
const frame = (messages: readonly MessageDecision[]) =>
  frameEvent(context, {
    phase: 'decision',
    principal: 'user:alice',
    sessionId: '01'.repeat(16),
    peer: { ip: '192.0.2.1' },
    messages,
  });

describe('trace contexts of an event', () => {
  it('travel with the message they belong to, and change no row', () => {
    const plain = encodeEvent(frame([message, message]));
    const event = frame([message, { ...message, traceparent: TRACE }]);
    const body = encodeEvent(event);
    expect(decodeEvent(body)).toEqual({ ok: true, event });
    expect(tracesOf(event)).toEqual([TRACE]);
    expect(recordsOfBody(body)).toEqual(recordsOfBody(plain));
    expect([mayBeTraced(body), mayBeTraced(plain)]).toEqual([true, false]);
  });

  it('of an event about one thing are in the envelope', () => {
    const event = authenticationEvent({ ...context, traceparent: TRACE }, {
      activity: 'logon',
      method: 'certificate',
      outcome: 'success',
      reason: 'ok',
    } as never);
    expect(decodeEvent(encodeEvent(event))).toEqual({ ok: true, event });
    expect(tracesOf(event)).toEqual([TRACE]);
  });

  it.each([
    ['empty', ''],
    ['no context', 'nonsense'],
    ['all zero', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`],
    ['no span', `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`],
    ['upper case', TRACE.toUpperCase()],
    ['another version', `01${TRACE.slice(2)}`],
    ['too long', `${TRACE}-more`],
  ])('%s: left out by the builder, passed over by the reader', (_, text) => {
    expect(traced(text)).toEqual({});
    expect(encodeEvent(frame([{ ...message, traceparent: text }]))).toEqual(encodeEvent(frame([message])));
    // Another producer's: the record is readable all the same.
    const body = utf8(
      new TextDecoder().decode(encodeEvent(frame([{ ...message, traceparent: TRACE }]))).replace(TRACE, text),
    );
    const decoded = decodeEvent(body);
    expect(decoded.ok && tracesOf(decoded.event)).toEqual([]);
  });

  it('are at most 32, so that the largest frame still fits', () => {
    const largest = {
      ...message,
      seq: (1n << 64n) - 1n,
      destination: '\u0001'.repeat(255),
      reason: 'r'.repeat(64),
      action: 'a'.repeat(64),
      policyRevision: '9'.repeat(64),
      traceparent: TRACE,
    };
    const event = frame(Array.from({ length: MAX_FRAME_MESSAGES }, () => largest));
    expect(tracesOf(event)).toHaveLength(MAX_TRACED_MESSAGES);
    expect(encodeEvent(event).length).toBeLessThan(MAX_EVENT_BYTES);
  });
});
