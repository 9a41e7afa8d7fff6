import { setTimeout as delay } from 'node:timers/promises';
import { parseControl, parseRefusal, type OutgoingMessage } from '@sallyport/channel';
import { randomBytes, secretKey, utf8 } from '@sallyport/crypto';
import { freezePrincipal, type Decision } from '@sallyport/policy-engine';
import { describe, expect, test } from 'vitest';
import { NOW_MS, sessionPair } from '../../test/support/pair.ts';
import { request } from '../../test/support/world.ts';
import { memoryReplayGuard } from '../guard/memory.ts';
import { LiveSession } from './live-session.ts';
import type { PipelineMetrics } from './measure.ts';
import { UNTRACED } from './message-trace.ts';
import { createOutcomes } from './outcomes.ts';
import { createPipeline } from './pipeline.ts';
import type { ReplayGuard, Route, RouteResult } from './ports.ts';
import { UnderWay } from './under-way.ts';

const ALLOW = { decision: 'allow', reasons: ['role_grants'], requires: [], policyRevision: 7 };
const DENY = { decision: 'deny', reasons: ['no roles here'], requires: ['role:sender'], policyRevision: 7 };
const OK: RouteResult = { kind: 'response', contentType: 'text/plain', body: utf8('done'), status: '200' };

type Stage = {
  readonly destinations?: Readonly<Record<string, Route['send']>>;
  readonly guard?: (guard: ReplayGuard) => Partial<ReplayGuard>;
  /** Called before a record is "written"; may wait or throw. */
  readonly recording?: (phase: 'decision' | 'outcome') => Promise<void> | void;
  readonly decide?: (destination: string) => unknown;
  readonly now?: () => number;
  readonly monotonic?: () => number;
  readonly areSessionsLeft?: boolean;
};

/** The pipeline between an honest client and fakes that write down, in one list, what happens in which order. */
async function stage(options: Stage = {}) {
  const { client, gateway } = sessionPair();
  const log: string[] = [];
  const counted: string[] = [];
  const acknowledged: number[] = [];
  const defects: unknown[] = [];
  const rejected: string[] = [];
  const underWay = new UnderWay({ maxMessages: 10_000, maxBytes: 1e9 });
  const memory = memoryReplayGuard({ clock: { now: () => NOW_MS } });
  const guard: ReplayGuard = { ...memory, ...options.guard?.(memory) };
  const metrics: PipelineMetrics = {
    frame: () => undefined,
    messages: () => undefined,
    decided: () => undefined,
    concluded: () => undefined,
    handshake: () => undefined,
    rejected: (cause) => void rejected.push(cause),
    guardUnavailable: () => void log.push('guard unavailable'),
    guardAnswered: () => undefined,
    refused: () => undefined,
    tracesRefused: () => undefined,
  };
  const record = async (
    phase: 'decision' | 'outcome',
    messages: readonly { seq: bigint; reason?: string; outcome?: string; status?: string }[],
  ): Promise<void> => {
    await options.recording?.(phase);
    for (const { seq, reason, outcome, status } of messages)
      log.push(`${phase} ${seq} ${reason ?? `${outcome ?? ''} ${status ?? ''}`}`);
  };
  const live = new LiveSession({
    session: gateway,
    guard: await guard.attach({
      sessionId: Buffer.from(gateway.sid).toString('hex'),
      notAfterMs: NOW_MS + 3_600_000,
      responseKey: secretKey(randomBytes(32)),
    }),
    digestKey: secretKey(randomBytes(32)),
    principal: freezePrincipal({ id: 'user:alice', tenant: 'default', method: 'certificate' }),
    peerAddress: '192.0.2.1',
    now: () => NOW_MS,
    write(frame) {
      const opened = client.openFrame(frame);
      if (!opened.ok) throw new Error(opened.cause);
      for (const { kind, payload } of opened.messages) {
        if (kind === 'refusal') {
          const refusal = parseRefusal(payload);
          log.push(`refusal ${refusal.ok ? refusal.code : '?'}`);
        } else if (kind === 'response') log.push(`response ${Buffer.from(payload).toString()}`);
        else {
          const parsed = parseControl(payload);
          if (!parsed.ok) throw new Error(parsed.cause);
          const { control } = parsed;
          if (control.kind === 'close') log.push(`close ${control.code}`);
          else if (control.kind === 'ack' && control.receivedThrough > 0)
            acknowledged.push(control.receivedThrough);
        }
      }
    },
    isWritable: () => true,
    underWay,
    onEnd: (_live, cause) => void log.push(`ended ${cause}`),
  });
  const onDefect = (error: unknown): void => void defects.push(error);
  const destinations = options.destinations ?? { orders: () => Promise.resolve(OK) };
  const pipeline = createPipeline({
    guard,
    decide: ({ resource }) => (options.decide?.(resource.name) ?? ALLOW) as Decision,
    policyRevision: () => '7',
    routes: new Map(
      Object.entries(destinations).map(([name, send]) => [
        name,
        {
          isIdempotent: true,
          send: (message) => {
            log.push(`forward ${Buffer.from(message.body).toString()}`);
            return send(message);
          },
        },
      ]),
    ),
    recordDecisions: (_live, decisions) => record('decision', decisions),
    countRefused: (_address, cause) => void counted.push(cause),
    outcomes: createOutcomes({
      guard,
      recordOutcomes: (_live, outcomes) => record('outcome', outcomes),
      metrics,
      onLost: () => void log.push('outcome lost'),
      onDefect,
    }),
    traces: UNTRACED,
    metrics,
    now: options.now ?? (() => NOW_MS),
    monotonic: options.monotonic ?? (() => performance.now()),
    onDefect,
    areSessionsLeft: options.areSessionsLeft ?? false,
    giveUp: new AbortController().signal,
  });
  return {
    log,
    counted,
    acknowledged,
    defects,
    rejected,
    live,
    underWay,
    pipeline,
    send(...messages: OutgoingMessage[]) {
      const sealed = client.sealFrame(messages);
      if (!sealed.ok) throw new Error(sealed.cause);
      // The client's own bound is 512 unacknowledged; the gateway does not rely on it.
      client.acknowledgeThrough(Infinity);
      return { cause: pipeline.onFrame(live, sealed.bytes), bytes: sealed.bytes };
    },
    /** Waits until nothing is under way, and for the turn in which it was told. */
    async settled() {
      await underWay.idle();
      await delay(5);
    },
  };
}

/** Something to wait for that the test lets go. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { closed: promise, open: resolve };
}

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
