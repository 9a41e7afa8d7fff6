/** A session that outlives its connection: what it carries over, what it never does twice, and when it ends. */
import { encodeAlert, FRAME_TYPE } from '@sallyport/channel';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Channel, ChannelState } from '../src/index.ts';
import { makeWorld, type World } from './support/certificates.ts';
import { Cluster, type Fate } from './support/cluster.ts';
import { body, failureOf, text } from './support/gateway.ts';
import { eventually, sidOf, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

const hellos = (cluster: Cluster): number =>
  cluster.written.filter(({ type }) => type === FRAME_TYPE.clientHello).length;
const resumeHellos = (cluster: Cluster): string[] =>
  cluster.written.filter(({ type }) => type === FRAME_TYPE.resumeHello).map(({ address }) => address);

/** A channel with one request that has left and has no answer. */
async function underWay(cluster: Cluster, fate: Fate = { kind: 'kept' }) {
  const channel = await cluster.connect();
  cluster.fateOf = () => fate;
  const sent = cluster.requests.length;
  const response = channel.request('echo', body('once'));
  response.catch(() => undefined);
  await eventually(() => expect(cluster.requests.length).toBe(sent + 1));
  cluster.fateOf = () => ({ kind: 'answered' });
  return { channel, response };
}

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
    cluster.wire.lose();
    await eventually(() => expect(cluster.requests.length).toBeGreaterThanOrEqual(3));
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

describe('a gateway that ends the session', () => {
  test('epoch_required: resumed there, on the same connection', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.wire.close(channel, 'epoch_required');
    await response;
    expect([resumeHellos(cluster), cluster.carriers.length]).toEqual([['a'], 1]);
    await works(channel);
    await channel.close();
  });

  test('unavailable: resumed at the next', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    const [first] = cluster.carriers;
    cluster.wire.close(channel, 'unavailable');
    await response;
    expect([resumeHellos(cluster), first?.isClosed]).toEqual([['b'], true]);
    await channel.close();
  });

  test('superseded by nobody: resumed', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.wire.close(channel, 'superseded');
    await response;
    await channel.close();
  });

  test.each(['revoked', 'expired', 'internal', 'busy'] as const)('%s: the end', async (code) => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.wire.close(channel, code);
    expect(await failureOf(response)).toMatchObject({ kind: 'closed', code, mayHaveTakenEffect: true });
    expect([channel.state, resumeHellos(cluster)]).toEqual(['closed', []]);
  });
});

describe('a session that cannot be resumed ends, and no other takes its place', () => {
  async function ends(cluster: Cluster, channel: Channel, response: Promise<unknown>) {
    const left = failureOf(response);
    const waiting = failureOf(channel.request('echo', body('later')));
    expect(await left).toMatchObject({
      kind: 'connection',
      code: 'connection_lost',
      mayHaveTakenEffect: true,
    });
    expect(await waiting).toMatchObject({ code: 'connection_lost', mayHaveTakenEffect: false });
    expect([channel.state, hellos(cluster)]).toEqual(['closed', 1]);
    expect(channel.closedBy?.message).toContain('could not be resumed');
    await channel.ready();
    await eventually(() => expect(cluster.carriers.every(({ isClosed }) => isClosed)).toBe(true));
  }

  test('its record is gone: every gateway was asked once', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.store.clear();
    cluster.wire.lose();
    await ends(cluster, channel, response);
    expect(resumeHellos(cluster)).toEqual(['b', 'a']);
  });

  test('its time is over', async () => {
    const cluster = new Cluster(world);
    const { maxMs: _, ...resume } = cluster.options.resume;
    const channel = await cluster.connect({ resume: { ...resume, maxMs: 60 } });
    cluster.fateOf = () => ({ kind: 'kept' });
    const response = channel.request('echo', body('x'));
    await eventually(() => expect(cluster.requests.length).toBe(1));
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    await ends(cluster, channel, response);
  });

  test('its attempts are used up', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ resume: { ...cluster.options.resume, maxAttempts: 3 } });
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    await eventually(() => expect(channel.state).toBe('closed'));
    expect(cluster.carriers.length).toBe(1 + 3);
  });

  test('its record is of an epoch that it has left for good', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    const { record } = cluster.stored(channel);
    cluster.wire.lose();
    await works(channel);
    cluster.stored(channel).record = record;
    cluster.wire.lose();
    await eventually(() => expect(channel.state).toBe('closed'));
    expect(resumeHellos(cluster)).toEqual(['b', 'a', 'b']);
  });

  test('resume is switched off', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect({ resume: false });
    cluster.wire.lose();
    expect(channel.closedBy).toMatchObject({ code: 'connection_lost', message: 'the wire was cut' });
    expect(cluster.carriers.length).toBe(1);
  });
});

describe('while it is being resumed', () => {
  test('time-outs run on: what had left may have taken effect, what had not has not', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.fateOf = () => ({ kind: 'kept' });
    const left = failureOf(channel.request('echo', body('x'), { timeoutMs: 500 }));
    await eventually(() => expect(cluster.requests.length).toBe(1));
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    const waiting = failureOf(channel.request('echo', body('y'), { timeoutMs: 30 }));
    expect(await waiting).toMatchObject({ kind: 'timeout', mayHaveTakenEffect: false });
    expect(await left).toMatchObject({ kind: 'timeout', mayHaveTakenEffect: true });
    cluster.at('b').isDown = false;
    cluster.fateOf = () => ({ kind: 'answered' });
    await works(channel);
    // What was given up is not asked for again.
    expect(cluster.requests.length).toBe(2);
    await channel.close();
  });

  test('a request is given up by its signal', async () => {
    const cluster = new Cluster(world);
    const channel = await cluster.connect();
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    const giveUp = new AbortController();
    const failed = failureOf(channel.request('echo', body('y'), { signal: giveUp.signal }));
    giveUp.abort();
    expect(await failed).toMatchObject({ kind: 'closed', mayHaveTakenEffect: false });
    await channel.close();
  });

  test('it can be closed, and dials no more', async () => {
    const cluster = new Cluster(world);
    const { channel, response } = await underWay(cluster);
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    const failed = failureOf(response);
    await channel.close();
    expect(await failed).toMatchObject({ kind: 'closed', code: 'closed', mayHaveTakenEffect: true });
    await tick(20);
    const dialled = cluster.carriers.length;
    await tick(30);
    expect(cluster.carriers.length).toBe(dialled);
    expect(cluster.carriers.every(({ isClosed }) => isClosed)).toBe(true);
  });
});

describe('connecting', () => {
  test('goes to the next address when the first does not answer', async () => {
    const cluster = new Cluster(world);
    cluster.at('a').isDown = true;
    const channel = await cluster.connect();
    await works(channel);
    expect(cluster.written.every(({ address }) => address === 'b')).toBe(true);
    await channel.close();
  });

  test('leaves a gateway that says nothing while there is time for another', async () => {
    const cluster = new Cluster(world);
    cluster.at('a').loses = () => true;
    const channel = await cluster.connect({ timeoutMs: 3_000 });
    await works(channel);
    await channel.close();
  });

  test('tries each address once', async () => {
    const cluster = new Cluster(world);
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    expect(await failureOf(cluster.connect())).toMatchObject({ kind: 'connection' });
    expect(cluster.carriers.map(({ address }) => address)).toEqual(['a', 'b']);
  });

  test.each([
    ['no address', { addresses: [] }],
    ['an address and addresses', { address: 'a', addresses: ['b'] }],
  ])('with %s is a mistake', async (_name, options) => {
    await expect(new Cluster(world).connect(options)).rejects.toThrow(TypeError);
  });

  test.each(['maxMs', 'maxAttempts', 'attemptMs', 'firstPauseMs', 'maxPauseMs'])(
    '%s of 0 is a mistake',
    async (name) => {
      await expect(new Cluster(world).connect({ resume: { [name]: 0 } })).rejects.toThrow(RangeError);
    },
  );
});

describe('many sessions on one connection', () => {
  test('each resumes by itself, on one next connection', async () => {
    const cluster = new Cluster(world);
    const connection = cluster.open();
    const channels = await Promise.all(Array.from({ length: 20 }, () => connection.open(cluster.options)));
    cluster.wire.lose();
    expect(connection.counts.sessions).toBe(20);
    await works(...channels);
    expect(cluster.carriers.length).toBe(2);
    expect(connection.counts).toEqual({ sessions: 20, strays: 0 });
    expect(connection.closedBy).toBeUndefined();
    await connection.close();
    expect(channels.every(({ state }) => state === 'closed')).toBe(true);
    expect(connection.counts.sessions).toBe(0);
  });

  test('one that cannot ends alone', async () => {
    const cluster = new Cluster(world);
    const connection = cluster.open();
    const [one, other] = [await connection.open(cluster.options), await connection.open(cluster.options)];
    cluster.store.delete(one.sessionId);
    cluster.wire.lose();
    await works(other);
    await eventually(() => expect(one.state).toBe('closed'));
    await works(other);
    await connection.close();
  });

  test('the connection opens sessions after it was lost', async () => {
    const cluster = new Cluster(world);
    await using connection = cluster.open();
    const one = await connection.open(cluster.options);
    await one.close();
    cluster.wire.lose();
    await works(await connection.open(cluster.options));
  });

  test('a gateway that goes away is left by all, and its connection ends with the last', async () => {
    const cluster = new Cluster(world);
    const connection = cluster.open();
    const channels = [
      await connection.open(cluster.options),
      await connection.open(cluster.options),
    ] as const;
    const { wire } = cluster;
    wire.close(channels[0], 'unavailable');
    await works(channels[0], channels[1]);
    expect(wire.isClosed).toBe(false);
    wire.close(channels[1], 'unavailable');
    await works(...channels);
    expect([wire.isClosed, cluster.carriers.length]).toEqual([true, 2]);
    await connection.close();
  });

  test('closing while all resume ends them', async () => {
    const cluster = new Cluster(world);
    const connection = cluster.open();
    const channel = await connection.open(cluster.options);
    cluster.at('a').isDown = cluster.at('b').isDown = true;
    cluster.wire.lose();
    await tick(5);
    await connection.close();
    await eventually(() => expect(channel.state).toBe('closed'));
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
