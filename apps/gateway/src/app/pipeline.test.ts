import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ALLOW, DENY, gate, OK, stage } from '../../test/support/stage.ts';
import { request } from '../../test/support/world.ts';

describe('the order of things', () => {
  test('decision in the spool, forward, outcome in the spool, response', async () => {
    const s = await stage();
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['decision 1 role_grants', 'forward a', 'outcome 1 success 200', 'response done']);
  });

  test('nothing is forwarded while the decision is being written', async () => {
    const writing = gate();
    const s = await stage({ recording: (phase) => (phase === 'decision' ? writing.closed : undefined) });
    s.send(request('orders', 'a'));
    await delay(20);
    expect(s.log).toEqual([]);
    writing.open();
    await s.settled();
    expect(s.log).toHaveLength(4);
  });

  test('no response leaves while its outcome is being written', async () => {
    const writing = gate();
    const s = await stage({ recording: (phase) => (phase === 'outcome' ? writing.closed : undefined) });
    s.send(request('orders', 'a'));
    await delay(20);
    expect(s.log).toEqual(['decision 1 role_grants', 'forward a']);
    expect(s.underWay.messages).toBe(1);
    writing.open();
    await s.settled();
    expect(s.log.at(-1)).toBe('response done');
  });

  test('a denial is recorded, then answered, and never forwarded', async () => {
    const s = await stage({ decide: (name) => (name === 'orders' ? DENY : ALLOW) });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['decision 1 no_roles_here', 'refusal denied']);
  });

  test('a slow destination holds up no other message of its frame', async () => {
    const slow = gate();
    const s = await stage({
      destinations: { orders: () => Promise.resolve(OK), slow: () => slow.closed.then(() => OK) },
    });
    s.send(request('slow', 's'), request('orders', 'a'));
    await delay(20);
    expect(s.log).toContain('response done');
    expect(s.underWay.messages).toBe(2);
    slow.open();
    await s.settled();
    expect(s.log.filter((line) => line === 'response done')).toHaveLength(2);
  });
});

describe('what fails', () => {
  test('a full spool refuses, nothing is forwarded, and the same message may come again', async () => {
    let isFull = true;
    const s = await stage({
      recording: () => (isFull ? Promise.reject(new Error('spool_full')) : undefined),
    });
    const message = request('orders', 'a');
    s.send(message);
    await s.settled();
    expect(s.log).toEqual(['refusal unavailable']);
    expect(s.counted).toEqual(['unrecorded']);
    isFull = false;
    s.send(message);
    await s.settled();
    expect(s.log.slice(1)).toEqual([
      'decision 2 role_grants',
      'forward a',
      'outcome 2 success 200',
      'response done',
    ]);
  });

  test('an outcome that cannot be recorded is told as unknown, and stays so', async () => {
    const s = await stage({
      recording: (phase) => (phase === 'outcome' ? Promise.reject(new Error('disk')) : undefined),
    });
    const message = request('orders', 'a');
    s.send(message);
    await s.settled();
    s.send(message);
    await s.settled();
    expect(s.log).toEqual([
      'decision 1 role_grants',
      'forward a',
      'outcome lost',
      'refusal outcome_unknown',
      'decision 2 done',
      'refusal outcome_unknown',
    ]);
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('redis'))],
    [
      'throws',
      () => {
        throw new Error('redis');
      },
    ],
  ])('a guard that %s refuses, retryably', async (_how, admit) => {
    const s = await stage({ guard: () => ({ admit }) });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['guard unavailable', 'refusal unavailable']);
    expect(s.counted).toEqual(['guard_unavailable']);
    expect(s.defects).toEqual([]);
  });

  test('what was refused undecided stays refused: its client was told that nothing happened', async () => {
    let isAway = true;
    const s = await stage({
      guard: ({ admit }) => ({
        admit: (...args) => (isAway ? Promise.reject(new Error('redis')) : admit(...args)),
      }),
    });
    const { bytes } = s.send(request('orders', 'a'));
    await s.settled();
    isAway = false;
    s.pipeline.onFrame(s.live, bytes);
    await s.settled();
    expect(s.log).toEqual(['guard unavailable', 'refusal unavailable', 'refusal duplicate']);
    expect(s.counted).toEqual(['guard_unavailable', 'replayed']);
    s.send(request('orders', 'b'));
    await s.settled();
    expect(s.log.slice(3)).toEqual([
      'decision 2 role_grants',
      'forward b',
      'outcome 2 success 200',
      'response done',
    ]);
  });

  test('a copy that comes while the guard is asked is not asked about: the first may yet be refused', async () => {
    const asking = gate();
    let asked = 0;
    const s = await stage({
      guard: ({ admit }) => ({
        async admit(...args) {
          asked += 1;
          if (asked > 1) return admit(...args);
          await asking.closed;
          throw new Error('redis');
        },
      }),
    });
    const { bytes } = s.send(request('orders', 'a'));
    s.pipeline.onFrame(s.live, bytes);
    await delay(5);
    asking.open();
    await s.settled();
    expect(s.log).toEqual(['refusal duplicate', 'guard unavailable', 'refusal unavailable']);
    expect(asked).toBe(1);
  });

  test('a session whose window the refusals would leave behind is sent elsewhere', async () => {
    const s = await stage({ guard: () => ({ admit: () => Promise.reject(new Error('redis')) }) });
    for (let count = 0; count < 600 && !s.live.isOver; count += 1) {
      s.send(request('orders', 'a'));
      await s.underWay.idle();
    }
    await s.settled();
    expect(s.log.filter((line) => line === 'refusal unavailable')).toHaveLength(512);
    expect(s.log.slice(-2)).toEqual(['close unavailable', 'ended guard_unavailable']);
  });

  test.each([
    ['revoked', 'revoked'],
    ['expired', 'expired'],
    ['superseded', 'superseded'],
    ['session_unknown', 'epoch_required'],
  ] as const)('a guard that says %s ends the session, and the record says why', async (cause, code) => {
    const s = await stage({ guard: () => ({ admit: () => Promise.resolve({ kind: 'refused', cause }) }) });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual([`close ${code}`, `ended ${cause}`, `decision 1 ${cause}`]);
  });

  test('a guard that cannot conclude costs nobody an answer', async () => {
    const s = await stage({ guard: () => ({ conclude: () => Promise.reject(new Error('redis')) }) });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log.slice(-2)).toEqual(['guard unavailable', 'response done']);
  });

  test.each([
    ['rejects', () => Promise.reject(new Error('bug'))],
    [
      'throws',
      () => {
        throw new Error('bug');
      },
    ],
  ])('a route that %s against its contract is an unknown outcome and a defect', async (_how, send) => {
    const s = await stage({ destinations: { orders: send } });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log.slice(-2)).toEqual(['outcome 1 unknown defect', 'refusal upstream_failed']);
    expect(s.defects).toHaveLength(1);
  });

  test('policy that throws is a defect: the session ends, nothing is forwarded, nothing stays under way', async () => {
    const s = await stage({
      decide: () => {
        throw new Error('bug');
      },
    });
    s.send(request('orders', 'a'));
    await s.settled();
    expect(s.log).toEqual(['close internal', 'ended defect']);
    expect(s.defects).toHaveLength(1);
  });
});
