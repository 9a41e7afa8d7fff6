/** Several gateways, and several sessions on the way from one to the next. */
import { beforeAll, describe, expect, test } from 'vitest';
import { makeWorld, type World } from './support/certificates.ts';
import { Cluster } from './support/cluster.ts';
import { failureOf } from './support/gateway.ts';

import { eventually, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

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

  test('opening that is given up before it began, between two connections, leaves nothing behind', async () => {
    const cluster = new Cluster(world);
    const connection = cluster.open();
    await (await connection.open(cluster.options)).close();
    cluster.wire.lose();
    const opening = connection.open({ ...cluster.options, signal: AbortSignal.abort() });
    expect(await failureOf(opening)).toMatchObject({ kind: 'closed' });
    // What was dialled for nobody ends here, and its end is nobody's unhandled rejection.
    await connection.close();
    await tick(5);
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
