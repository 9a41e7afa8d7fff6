import type { OutgoingMessage } from '@sallyport/channel';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { NOW_MS } from '../../test/support/pair.ts';
import { DENY, gate, OK, stage } from '../../test/support/stage.ts';
import { request } from '../../test/support/world.ts';

describe('what was taken over from a gateway that died', () => {
  const takenOver = {
    admit: () =>
      Promise.resolve({
        kind: 'admitted',
        verdicts: ['taken_over'],
        received: { highest: 1, lost: 0, missing: [] },
      } as const),
  };
  const told = () => {
    const concluded: unknown[] = [];
    const guard = {
      ...takenOver,
      conclude: async (_of: unknown, results: readonly unknown[]) => void concluded.push(...results),
    };
    return { concluded, guard: () => guard };
  };

  test('and is denied now: nobody says that nothing happened', async () => {
    const { concluded, guard } = told();
    const s = await stage({ guard, decide: () => DENY });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['decision 1 no_roles_here', 'refusal outcome_unknown']);
    expect(concluded).toMatchObject([{ state: 'done' }]);
  });

  test('and cannot be recorded: it is not free to be sent as if it had never come', async () => {
    const { concluded, guard } = told();
    const s = await stage({
      guard,
      recording: () => {
        throw new Error('full');
      },
    });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['refusal outcome_unknown']);
    expect(concluded).toMatchObject([{ state: 'done' }]);
  });
});

describe('a session that ends under way', () => {
  test.each([
    { areSessionsLeft: true, what: 'not forwarded: others may have answered for it, as for a dead one' },
    { areSessionsLeft: false, what: 'forwarded: nobody else can have it' },
  ])('paused for long between guard and forward: $what', async ({ areSessionsLeft }) => {
    let pausedMs = 0;
    const s = await stage({
      areSessionsLeft,
      monotonic: () => performance.now() + pausedMs,
      recording: (phase) => {
        if (phase === 'decision') pausedMs = 30_000;
      },
    });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual([
      'decision 1 role_grants',
      ...(areSessionsLeft
        ? ['close unavailable', 'ended held_up', 'outcome 1 refused session_ended']
        : ['forward a', 'outcome 1 success 200', 'response done']),
    ]);
  });

  test('between decision and forward: not forwarded, and the outcome says so', async () => {
    const writing = gate();
    const s = await stage({ recording: (phase) => (phase === 'decision' ? writing.closed : undefined) });
    s.send(request('orders', 'a'));
    await delay(5);
    s.live.end('revoked', 'revoked_by_administrator');
    writing.open();
    await s.settled();
    expect(s.log).toEqual([
      'close revoked',
      'ended revoked_by_administrator',
      'decision 1 role_grants',
      'outcome 1 refused session_ended',
    ]);
  });

  test('between guard and decision: not allowed, and free to be sent again elsewhere', async () => {
    const asking = gate();
    const released: unknown[] = [];
    const s = await stage({
      guard: (memory) => ({
        conclude: async (_session, results) => void released.push(...results),
        admit: async (...of) => {
          const verdict = await memory.admit(...of);
          await asking.closed;
          return verdict;
        },
      }),
    });
    s.send(request('orders', 'a'));
    s.live.detach('carrier_closed');
    asking.open();
    await s.settled();
    expect(s.log).toEqual(['ended carrier_closed', 'decision 1 session_ended']);
    expect(released).toMatchObject([{ state: 'released' }]);
  });

  test('while forwarded: the outcome is recorded and nobody is answered', async () => {
    const slow = gate();
    const s = await stage({ destinations: { orders: () => slow.closed.then(() => OK) } });
    s.send(request('orders', 'a'));
    await delay(10);
    s.live.detach('carrier_closed');
    slow.open();
    await s.settled();
    expect(s.log.slice(-2)).toEqual(['ended carrier_closed', 'outcome 1 success 200']);
  });
});

describe('bounds', () => {
  test('more than 1024 messages under way are refused with nothing consumed, and pass later', async () => {
    const slow = gate();
    const s = await stage({ destinations: { slow: () => slow.closed.then(() => OK) } });
    const note = (): OutgoingMessage => request('slow', 'n', { kind: 'notification' });
    const frame = (): void => void s.send(...Array.from({ length: 128 }, note));
    for (let sent = 0; sent < 8; sent += 1) frame();
    await delay(10);
    expect([s.underWay.messages, s.counted]).toEqual([1024, []]);
    s.send(request('slow', 'one too many'));
    expect(s.log.at(-1)).toBe('refusal busy');
    expect(s.counted).toEqual(['too_much_under_way']);
    slow.open();
    await s.settled();
    s.send(request('slow', 'later'));
    await s.settled();
    expect(s.log.at(-1)).toBe('response done');
  });

  test('after stop frames are refused, retryably', async () => {
    const s = await stage();
    s.pipeline.stop();
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['refusal unavailable']);
    expect(s.counted).toEqual(['stopping']);
  });

  test('a resend that cannot be taken is to be sent again: what was sent first may have been done', async () => {
    const s = await stage({ guard: () => ({ admit: () => Promise.reject(new Error('redis')) }) });
    s.send(request('orders', 'a', { firstSentAtMs: NOW_MS - 1_000 }), request('orders', 'b'));
    await s.settled();
    expect(s.log).toEqual(['guard unavailable', 'refusal running', 'refusal unavailable']);
  });

  test('after stop, where others take sessions on: the session is told to go there, and nothing is consumed', async () => {
    const s = await stage({ areSessionsLeft: true });
    s.pipeline.stop();
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['close unavailable', 'ended gateway_stopping']);
  });

  test('a response that the guard cannot give now is to be asked for again, and is not called lost', async () => {
    const s = await stage({ guard: () => ({ response: () => Promise.reject(new Error('redis')) }) });
    const message = request('orders', 'a');
    s.send(message);
    await s.settled();
    s.send(message);
    await s.settled();
    expect(s.log.slice(-3)).toEqual(['decision 2 done', 'guard unavailable', 'refusal running']);
  });

  test('a duplicate does not make its original final', async () => {
    const slow = gate();
    const s = await stage({ destinations: { slow: () => slow.closed.then(() => OK) } });
    const { bytes } = s.send(request('slow', 'a', { kind: 'notification' }));
    await delay(10);
    s.pipeline.onFrame(s.live, bytes);
    await delay(10);
    expect(s.log).toEqual(['decision 1 role_grants', 'forward a', 'decision 1 duplicate']);
    expect(s.rejected).toEqual(['replayed']);
    expect([s.underWay.messages, s.acknowledged]).toEqual([1, []]);
    slow.open();
    await s.settled();
    expect(s.acknowledged).toEqual([1]);
  });
});
