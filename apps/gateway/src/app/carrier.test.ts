import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FRAME_TYPE, type OpenedFrame } from '@sallyport/channel';
import { concatBytes, secretKey, toHex } from '@sallyport/crypto';
import { NOW_MS, sessionPair } from '../../test/support/pair.ts';
import { createCarrier } from './carrier.ts';
import type { LiveSession } from './live-session.ts';
import { createSessions } from './sessions.ts';
import { UnderWay } from './under-way.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const IDLE_MS = 30_000;
const VERSION = 1;
const RESUMED_AS = 3;
const ZERO_SID: Uint8Array = new Uint8Array(16);
const frame = (type: number, sid: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(VERSION, type), sid, Uint8Array.of(0));

/** A carrier whose handshakes open a session each. */
function stage() {
  const seen: string[] = [];
  const sessions = createSessions();
  let sid = ZERO_SID;
  const resumed = sessionPair().gateway;
  const rest = {
    digestKey: secretKey(new Uint8Array(32)),
    principal: { id: 'user:alice', tenant: 'default', method: 'certificate' },
    share: {
      underWay: new UnderWay({ maxMessages: 10, maxBytes: 1_000 }),
      leave: () => void seen.push('leave'),
    },
  } as const;
  const carrier = createCarrier(
    {
      beginSession: () => {
        const { gateway } = sessionPair();
        sid = gateway.sid;
        return {
          hello: () => Promise.resolve({ kind: 'answered', frame: new Uint8Array(1) }),
          sessionId: () => toHex(gateway.sid),
          authenticate: () =>
            Promise.resolve({
              kind: 'opened',
              frame: gateway.sid,
              session: gateway,
              guard: { sessionId: toHex(gateway.sid), generation: 1 },
              ...rest,
            }),
        };
      },
      beginResume: () => ({
        hello: () => Promise.resolve({ kind: 'answered', frame: new Uint8Array(1) }),
        first: () =>
          Promise.resolve({
            kind: 'resumed',
            session: resumed,
            guard: { sessionId: toHex(resumed.sid), generation: RESUMED_AS },
            ...rest,
            first: {} as OpenedFrame,
          }),
        abandon: () => undefined,
      }),
      pipeline: { onFrame: () => undefined, onOpened: () => undefined },
      sessions,
      rejections: { count: (_, cause) => void seen.push(`count ${cause}`) },
      metrics: { handshake: (result) => void seen.push(`handshake ${result}`) },
      halfOpen: { count: 0, max: 10 },
      now: () => NOW_MS,
      onSessionEnd: (_, cause) => void seen.push(`over ${cause}`),
      onDefect: (error) => void seen.push(String(error)),
    },
    {
      peerAddress: '192.0.2.1',
      exporter: () => undefined,
      write: () => true,
      end: () => void seen.push('end'),
    },
  );
  return {
    carrier,
    seen,
    sessions,
    resumed,
    async resume() {
      carrier.onFrame(frame(FRAME_TYPE.resumeHello, resumed.sid));
      await vi.advanceTimersByTimeAsync(0);
      carrier.onFrame(frame(FRAME_TYPE.messages, resumed.sid));
      await vi.advanceTimersByTimeAsync(0);
    },
    async open() {
      carrier.onFrame(frame(FRAME_TYPE.clientHello, ZERO_SID));
      await vi.advanceTimersByTimeAsync(0);
      carrier.onFrame(frame(FRAME_TYPE.clientAuth, sid));
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}

test('a carrier on which no session opens ends after 30 seconds, whatever else it says', async () => {
  const s = stage();
  for (let at = 0; at < IDLE_MS; at += 10_000) {
    expect(s.seen).not.toContain('end');
    s.carrier.onFrame(frame(FRAME_TYPE.clientHello, ZERO_SID));
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(s.seen.slice(-2)).toEqual(['count idle', 'end']);
});

test('a session keeps its carrier for as long as it likes; when the last is over the 30 seconds begin', async () => {
  const s = stage();
  await s.open();
  await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
  expect([s.sessions.size, s.seen]).toEqual([1, ['handshake opened']]);
  for (const live of s.sessions.all()) live.detach('closed_by_client');
  await vi.advanceTimersByTimeAsync(IDLE_MS - 1);
  expect(s.seen).toEqual(['handshake opened', 'leave', 'over closed_by_client']);
  await s.open();
  await vi.advanceTimersByTimeAsync(10 * IDLE_MS);
  expect(s.seen).not.toContain('end');
});

test('the end of a carrier leaves no timer behind', async () => {
  const s = stage();
  await s.open();
  expect(s.sessions.size).toBe(1);
  s.carrier.onClose();
  expect([s.sessions.size, vi.getTimerCount()]).toEqual([0, 0]);
});

test('a ResumeHello that is sent again and again ends the carrier', async () => {
  const s = stage();
  for (let sent = 0; sent < 17; sent += 1) {
    expect(s.seen).not.toContain('end');
    s.carrier.onFrame(frame(FRAME_TYPE.resumeHello, new Uint8Array(16).fill(7)));
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(s.seen).toContain('end');
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  { generation: 2, ends: ['handshake resumed', 'known ended'], what: 'takes the place of an earlier one' },
  { generation: 4, ends: ['handshake resumed', 'leave'], what: 'gives way to a later one that was faster' },
])('an attachment $what', async ({ generation, ends }) => {
  const s = stage();
  const known = {
    id: toHex(s.resumed.sid),
    guard: { sessionId: toHex(s.resumed.sid), generation },
    end: () => void s.seen.push('known ended'),
  } as unknown as LiveSession;
  s.sessions.add(known);
  await s.resume();
  expect(s.seen).toEqual(ends);
  expect(s.sessions.find(known.id)?.guard.generation).toBe(Math.max(generation, RESUMED_AS));
});
