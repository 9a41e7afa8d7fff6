import { encodeAlert } from '@sallyport/channel';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { halfOpenPlaces, type HalfOpen } from './half-open.ts';
import { createHandshakes } from './handshakes.ts';
import type { OpenedSession, SessionOpening } from './open-session.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const FRAME = new Uint8Array(100);
const sid = (n: number): Uint8Array => new Uint8Array(16).fill(n);
const hex = (n: number): string => Buffer.from(sid(n)).toString('hex');

function stage(halfOpen: HalfOpen = { count: 0, max: 256 }) {
  const seen: string[] = [];
  const judging: ((result: 'opened' | 'refused' | Error) => void)[] = [];
  const state = { next: 1, beginFails: false };
  const handshakes = createHandshakes({
    begin(): SessionOpening {
      if (state.beginFails) throw new Error('no identity');
      const id = hex(state.next++);
      return {
        hello: () => Promise.resolve({ kind: 'answered', frame: FRAME }),
        sessionId: () => id,
        authenticate: () =>
          new Promise((resolve, reject) => {
            judging.push((result) => {
              if (result instanceof Error) reject(result);
              else if (result === 'opened') resolve({ kind: 'opened' } as OpenedSession);
              else resolve({ kind: 'refused', cause: 'denied', frame: encodeAlert(undefined, 'busy') });
            });
          }),
      };
    },
    places: halfOpenPlaces(halfOpen),
    metrics: { handshake: (result) => void seen.push(`handshake ${result}`) },
    write: () => void seen.push('write'),
    reject: (cause) => void seen.push(`reject ${cause}`),
    count: (cause) => void seen.push(`count ${cause}`),
    opened: () => void seen.push('session'),
    onDefect: () => void seen.push('defect'),
  });
  return { handshakes, halfOpen, seen, judging, state };
}

const turn = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('places', () => {
  test('a handshake holds one until it is judged', async () => {
    const s = stage();
    s.handshakes.clientHello(FRAME);
    await turn();
    s.handshakes.clientAuth(sid(1), FRAME);
    await turn();
    expect(s.halfOpen.count).toBe(1);
    s.judging[0]?.('opened');
    await turn();
    expect([s.halfOpen.count, s.seen]).toEqual([0, ['write', 'handshake opened', 'session']]);
  });

  test.each(['refused', new Error('bug')] as const)('%s gives it back', async (result) => {
    const s = stage();
    s.handshakes.clientHello(FRAME);
    await turn();
    s.handshakes.clientAuth(sid(1), FRAME);
    s.judging[0]?.(result);
    await turn();
    expect(s.halfOpen.count).toBe(0);
  });

  test('a beginning that fails gives it back, and is a defect', async () => {
    const s = stage();
    s.state.beginFails = true;
    s.handshakes.clientHello(FRAME);
    await turn();
    expect([s.halfOpen.count, s.seen]).toEqual([0, ['defect']]);
  });

  test('8 on a carrier, and no more than the gateway has in all', async () => {
    const shared: HalfOpen = { count: 0, max: 10 };
    const [first, second] = [stage(shared), stage(shared)];
    for (let sent = 0; sent < 9; sent += 1) first.handshakes.clientHello(FRAME);
    for (let sent = 0; sent < 3; sent += 1) second.handshakes.clientHello(FRAME);
    await turn();
    expect(shared.count).toBe(10);
    expect(first.seen.filter((line) => line === 'count busy')).toHaveLength(1);
    expect(second.seen.filter((line) => line === 'count busy')).toHaveLength(1);
    first.handshakes.close();
    expect(shared.count).toBe(2);
  });
});

test('one that is not answered within 5 s is abandoned, and its id is dead', async () => {
  const s = stage();
  s.handshakes.clientHello(FRAME);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(s.halfOpen.count).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  s.handshakes.clientAuth(sid(1), FRAME);
  expect(s.halfOpen.count).toBe(0);
  expect(s.seen).toEqual(['write', 'handshake abandoned', 'count abandoned', 'reject out_of_order']);
});

test('a carrier that closes while one is judged does not count it as abandoned', async () => {
  const s = stage();
  s.handshakes.clientHello(FRAME);
  await turn();
  s.handshakes.clientAuth(sid(1), FRAME);
  s.handshakes.close();
  s.judging[0]?.('opened');
  await turn();
  expect([s.halfOpen.count, s.seen]).toEqual([0, ['write', 'handshake opened', 'session']]);
});

test('an oversized hello costs nothing', () => {
  const s = stage();
  s.handshakes.clientHello(new Uint8Array(16 * 1024 + 1));
  expect([s.halfOpen.count, s.seen]).toEqual([0, ['reject oversized']]);
});
