/** When a session is resumed, when it ends, and what its requests are told. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Channel } from '../src/index.ts';
import { makeWorld, type World } from './support/certificates.ts';
import { Cluster } from './support/cluster.ts';
import { body, failureOf } from './support/gateway.ts';
import { hellos, resumeHellos, underWay } from './support/resuming.ts';
import { eventually, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

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

  test('it can be closed while the next gateway is dialled, and leaves no connection', async () => {
    for (const pauseMs of [0, 1, 2, 3, 5, 8]) {
      const cluster = new Cluster(world);
      const channel = await cluster.connect();
      cluster.wire.lose();
      await tick(pauseMs);
      await channel.close();
      await tick(20);
      expect(cluster.carriers.every(({ isClosed }) => isClosed)).toBe(true);
    }
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
