/** A session that outlives its connection: what it carries over, and what it never does twice. */
import { encodeAlert, FRAME_TYPE } from '@sallyport/channel';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ChannelState } from '../src/index.ts';
import { makeWorld, type World } from './support/certificates.ts';
import { Cluster } from './support/cluster.ts';
import { body, failureOf, text } from './support/gateway.ts';
import { hellos, resumeHellos, underWay } from './support/resuming.ts';
import { eventually, sidOf, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

describe('a lost connection', () => {
  test('the session goes on at the next gateway, and nothing is executed twice', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    const { sessionId } = channel;
    cluster.wire.lose();
    expect(channel.state).toBe('resuming');
    expect(text((await response).body)).toBe('once');
    expect(cluster.executed.length).toBe(1);
    expect(channel).toMatchObject({ state: 'open', sessionId, closedBy: undefined });
    expect(channel.counts).toMatchObject({ resumes: 1, rejected: 0 });
    expect([hellos(cluster), resumeHellos(cluster)]).toEqual([1, ['b']]);
    await works(channel);
    await channel.close();
  });

  test('a resend has the same correlation, another sequence, and says when it first left', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.wire.lose();
    const { correlation } = await response;
    const [first, again] = cluster.requests;
    expect(Buffer.from(again?.correlation ?? []).toString('hex')).toBe(correlation);
    expect(first?.firstSentAtMs).toBeUndefined();
    expect(again?.epoch).toBe(1);
    // Taken just before the message was sealed: never later than it, or a gateway might think that it would know of it.
    const sentAtMs = first?.sentAtMs ?? 0;
    expect(again?.firstSentAtMs).toBeLessThanOrEqual(sentAtMs);
    expect(again?.firstSentAtMs).toBeGreaterThan(sentAtMs - 1_000);
    expect(again?.sequence).toBeGreaterThan(first?.sequence ?? Infinity);
    await channel.close();
  });

  test('what never arrived is executed once', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('a').loses = (type) => type === FRAME_TYPE.messages;
    const response = channel.request('echo', body('x'));
    await tick(5);
    expect(cluster.requests.length).toBe(0);
    cluster.wire.lose();
    expect(text((await response).body)).toBe('x');
    expect(cluster.executed.length).toBe(1);
    await channel.close();
  });

  test('what is asked meanwhile waits, and is no resend', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.wire.lose();
    const responses = Promise.all(['1', '2', '3'].map((name) => channel.request('echo', body(name))));
    expect(channel.state).toBe('resuming');
    expect((await responses).map((response) => text(response.body))).toEqual(['1', '2', '3']);
    expect(cluster.requests.every(({ firstSentAtMs }) => firstSentAtMs === undefined)).toBe(true);
    await channel.close();
  });

  test('what was asked before goes before what was asked since', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.wire.lose();
    const later = channel.request('echo', body('later'));
    await Promise.all([response, later]);
    expect(cluster.requests.map(({ payload }) => text(payload))).toEqual(['once', 'once', 'later']);
    await channel.close();
  });

  test('again and again, over many epochs', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    for (let round = 1; round <= 6; round += 1) {
      await works(channel);
      cluster.wire.lose();
      await works(channel);
      expect(cluster.stored(channel).record.epoch).toBe(round);
    }
    expect(channel.counts).toMatchObject({ resumes: 6, rejected: 0 });
    await channel.close();
  });

  test('what a gateway said and we never got is lost with its epoch, and not missed any more', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('a').swallows = () => true;
    const response = channel.request('echo', body('swallowed'));
    await eventually(() => expect(cluster.executed.length).toBe(1));
    cluster.at('a').swallows = () => false;
    await works(channel);
    await eventually(() => expect(cluster.acknowledgements.at(-1)?.missing.length).toBe(1));
    cluster.wire.lose();
    expect(text((await response).body)).toBe('swallowed');
    const before = cluster.acknowledgements.length;
    await eventually(() => expect(cluster.acknowledgements.length).toBeGreaterThan(before));
    expect(cluster.acknowledgements.at(-1)).toMatchObject({ lost: 1, missing: [] });
    await channel.close();
  });

  test('its states are told', async () => {
    const cluster = new Cluster(world);
    const states: ChannelState[] = [];
    const channel = await cluster.connect({ onState: (state) => states.push(state) });
    cluster.wire.lose();
    await works(channel);
    await channel.close();
    expect(states).toEqual(['resuming', 'open', 'closed']);
  });

  test('more requests than the window has places: all are answered, none twice', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ maxWaiting: 2000 });
    cluster.fateOf = () => ({ kind: 'kept' });
    const responses = Array.from({ length: 700 }, (_, at) => channel.request('echo', body(String(at))));
    await eventually(() => expect(cluster.requests.length).toBe(512));
    cluster.fateOf = () => ({ kind: 'answered' });
    cluster.wire.lose();
    const texts = (await Promise.all(responses)).map((response) => text(response.body));
    expect(texts).toEqual(responses.map((_, at) => String(at)));
    expect(cluster.executed.length).toBe(700);
    expect(new Set(cluster.executed).size).toBe(700);
    await channel.close();
  });

  test('a caller that outruns it is held back while it resumes', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ maxWaiting: 2 });
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    const taken = [channel.request('echo', body('1')), channel.request('echo', body('2'))];
    expect((await failureOf(channel.request('echo', body('3')))).code).toBe('busy');
    const room = channel.ready();
    cluster.at('b').isDown = false;
    await room;
    await Promise.all(taken);
    await channel.close();
  });
});

describe('an attempt that fails is followed by another', () => {
  test('gateways that cannot be reached', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.at('b').isDown = true;
    cluster.wire.lose();
    await response;
    expect(resumeHellos(cluster)).toEqual(['a']);
    await channel.close();
  });

  test.each([
    ['ResumeHello', 'loses', FRAME_TYPE.resumeHello],
    ['its answer', 'swallows', FRAME_TYPE.resumeAnswer],
    ['the first frame', 'loses', FRAME_TYPE.messages],
    ['what the gateway says first', 'swallows', FRAME_TYPE.messages],
  ] as const)('%s is lost', async (_name, way, lost) => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ resume: { ...cluster.options.resume, attemptMs: 500 } });
    cluster.at('b')[way] = (type) => type === lost;
    cluster.wire.lose();
    await works(channel);
    expect(resumeHellos(cluster)).toEqual(['b', 'a']);
    expect(channel.counts).toMatchObject({ resumes: 1, rejected: 0 });
    // Where the gateway took it on and was not heard, the session is an epoch further.
    expect(cluster.stored(channel).record.epoch).toBe(
      way === 'swallows' && lost === FRAME_TYPE.messages ? 2 : 1,
    );
    await channel.close();
  });

  test.each(['busy', 'closing'] as const)('a gateway that is %s', async (alert) => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.at('b').alert = alert;
    cluster.wire.lose();
    await response;
    expect(resumeHellos(cluster)).toEqual(['b', 'a']);
    await channel.close();
  });

  test('one that refuses, as long as another does not', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.at('b').alert = 'unknown_session';
    cluster.wire.lose();
    await response;
    expect(resumeHellos(cluster)).toEqual(['b', 'a']);
    await channel.close();
  });

  test('one that has the record and does not take it on after all, where there is no other', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ addresses: ['a'] });
    let losses = 0;
    cluster.at('a').loses = (type) => {
      // As a gateway does that finds another attachment when it attaches.
      if (type !== FRAME_TYPE.messages || losses >= 2) return false;
      losses += 1;
      cluster.wire.send(encodeAlert(sidOf(channel.sessionId), 'unknown_session'));
      return true;
    };
    cluster.wire.lose();
    await works(channel);
    expect(resumeHellos(cluster).length).toBe(3);
    await channel.close();
  });

  test('the connection is lost once more before anything was heard', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.at('b').changeAnswer = (frame) => {
      setTimeout(() => cluster.wire.lose(), 2);
      return [frame];
    };
    cluster.at('b').loses = (type) => type === FRAME_TYPE.messages;
    cluster.wire.lose();
    await response;
    expect(cluster.executed.length).toBe(1);
    await channel.close();
  });
});

describe('the answer to what was asked again', () => {
  test('running: asked until it is done', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster, { kind: 'running' });
    cluster.wire.lose();
    await eventually(() => expect(cluster.requests.length).toBeGreaterThanOrEqual(4));
    cluster.finish();
    expect(text((await response).body)).toBe('once');
    expect(cluster.executed.length).toBe(1);
    await channel.close();
  });

  test('running, and the connection is lost again', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster, { kind: 'running' });
    cluster.wire.lose();
    await eventually(() => expect(cluster.requests.length).toBe(2));
    await tick(5);
    cluster.wire.lose();
    await eventually(() => expect(cluster.requests.length).toBeGreaterThanOrEqual(3));
    // However often it is sent again: the time is that of the first, or a gateway might think that it would know of it.
    const times = cluster.requests.slice(1).map(({ firstSentAtMs }) => firstSentAtMs);
    expect(new Set(times).size).toBe(1);
    expect(times[0]).toBeLessThanOrEqual(cluster.requests[0]?.sentAtMs ?? 0);
    cluster.finish();
    await response;
    expect(cluster.executed.length).toBe(1);
    await channel.close();
  });

  test.each(['outcome_unknown', 'response_lost', 'correlation_reuse'] as const)(
    '%s: it may have taken effect',
    async (code) => {
      const cluster = new Cluster(world);
      const channel = await cluster.connect();
      cluster.at('a').loses = (type) => type === FRAME_TYPE.messages;
      const failed = failureOf(channel.request('echo', body('x')));
      await tick(5);
      cluster.fateOf = () => ({ kind: 'refused', code });
      cluster.wire.lose();
      expect(await failed).toMatchObject({ kind: 'refusal', code, mayHaveTakenEffect: true });
      await channel.close();
    },
  );

  test.each(['unavailable', 'busy'] as const)(
    '%s, which tells nothing of the first: asked for again',
    async (code) => {
      const cluster = new Cluster(world);
      const { channel, response } = await underWay(cluster, { kind: 'kept' });
      cluster.refusesUnseen = code;
      cluster.wire.lose();
      await eventually(() => expect(cluster.requests.length).toBeGreaterThanOrEqual(3));
      cluster.refusesUnseen = undefined;
      expect(text((await response).body)).toBe('once');
      expect(cluster.executed.length).toBe(1);
      await channel.close();
    },
  );

  test.each(['expired', 'epoch_required', 'superseded', 'revoked'] as const)(
    '%s, which tells nothing of the first: it may have taken effect',
    async (code) => {
      const cluster = new Cluster(world);
      const { channel, response } = await underWay(cluster, { kind: 'kept' });
      cluster.refusesUnseen = code;
      cluster.wire.lose();
      expect(await failureOf(response)).toMatchObject({ kind: 'refusal', code, mayHaveTakenEffect: true });
      // Of what was sent but once it tells all.
      const first = await failureOf(channel.request('echo', body('first')));
      expect(first).toMatchObject({ kind: 'refusal', code, mayHaveTakenEffect: false });
      await channel.close();
    },
  );

  test('denied, by a gateway that has never seen it: nothing happened', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('a').loses = (type) => type === FRAME_TYPE.messages;
    const failed = failureOf(channel.request('echo', body('x')));
    await tick(5);
    cluster.fateOf = () => ({ kind: 'refused', code: 'denied' });
    cluster.wire.lose();
    expect(await failed).toMatchObject({ code: 'denied', mayHaveTakenEffect: false });
    await channel.close();
  });
});

test('whatever is lost whenever, every request settles once and is executed at most once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          pauseMs: fc.integer({ min: 0, max: 4 }),
          requests: fc.integer({ min: 0, max: 40 }),
          lost: fc.constantFrom(FRAME_TYPE.messages, FRAME_TYPE.resumeAnswer, FRAME_TYPE.resumeHello, 0),
          isTheirs: fc.boolean(),
        }),
        { minLength: 1, maxLength: 8 },
      ),
      async (rounds) => {
        const cluster = new Cluster(world);
        const channel = await cluster.connect({ resume: { ...cluster.options.resume, attemptMs: 150 } });
        const responses: Promise<string>[] = [];
        for (const { pauseMs, requests, lost, isTheirs } of rounds) {
          for (let at = 0; at < requests; at += 1) {
            const name = String(responses.length);
            responses.push(
              channel.request('echo', body(name)).then((response) => `${name}=${text(response.body)}`),
            );
          }
          for (const address of ['a', 'b'])
            cluster.at(address)[isTheirs ? 'swallows' : 'loses'] = (type) => type === lost;
          await tick(pauseMs);
          cluster.wire.lose();
          for (const address of ['a', 'b'])
            cluster.at(address).swallows = cluster.at(address).loses = () => false;
        }
        const settled = await Promise.all(responses);
        expect(settled).toEqual(settled.map((_, at) => `${at}=${at}`));
        expect(cluster.executed.length).toBe(settled.length);
        expect(new Set(cluster.executed).size).toBe(settled.length);
        expect(hellos(cluster)).toBe(1);
        await channel.close();
      },
    ),
    { numRuns: 25 },
  );
}, 60_000);
