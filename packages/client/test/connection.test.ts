/** Many sessions on one connection: each its own, one's end is not another's, and who may send. */
import { controlMessage, encodeAlert, FRAME_TYPE } from '@sallyport/channel';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { Channel } from '../src/index.ts';
import { makeWorld, type World } from './support/certificates.ts';
import { body, failureOf, flipBit, psk, type Behaviour } from './support/gateway.ts';
import { MultiGateway } from './support/multi-gateway.ts';
import { holding, isTold, renamed, sidOf, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

describe('sessions of one connection', () => {
  test('with different credentials, each with its own answers', async () => {
    const gateway = new MultiGateway(world);
    await using connection = gateway.open();
    const [alice, batch] = await Promise.all([
      connection.open(gateway.alice),
      connection.open({ credential: { kind: 'psk', ...psk } }),
    ]);
    expect([alice.principal, batch.principal]).toEqual(['user:alice', 'workload:batch']);
    await works(alice, batch);
    expect(gateway.carriers).toBe(1);
    expect(connection.counts).toEqual({ sessions: 2, strays: 0 });
  });

  test('many at once: one hello unanswered at a time, at most eight handshakes unfinished', async () => {
    const gateway = new MultiGateway(world);
    await using connection = gateway.open();
    const channels = await Promise.all(Array.from({ length: 20 }, () => connection.open(gateway.alice)));
    await works(...channels);
    expect(new Set(channels.map(({ sessionId }) => sessionId)).size).toBe(20);
    expect(gateway.mostUnanswered).toBe(1);
    expect(gateway.mostUnfinished).toBeLessThanOrEqual(8);
  });

  test('the ninth handshake waits for a place, in the order of the calls', async () => {
    const held: Uint8Array[] = [];
    const keep: Behaviour = { changeAccept: (frame) => (held.push(frame), []) };
    const gateway = new MultiGateway(world, (nth) => (nth < 8 ? keep : {}));
    await using connection = gateway.open();
    const opening = Array.from({ length: 9 }, () => connection.open(gateway.alice));
    await vi.waitFor(() => expect(held.length).toBe(8));
    await tick(20);
    expect(gateway.gateways.length).toBe(8);
    gateway.deliver(...held.slice(0, 1));
    await works(...(await Promise.all([opening[8], opening[0]])).filter((channel) => channel !== undefined));
    gateway.deliver(...held.slice(1));
    await works(...(await Promise.all(opening)));
  });

  test('a handshake that takes its time at the gateway holds up no other', async () => {
    const { held, behaviourOf } = holding('changeAccept');
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const slow = connection.open(gateway.alice);
    const quick = await connection.open(gateway.alice);
    await works(quick);
    await vi.waitFor(() => expect(held.length).toBe(1));
    gateway.deliver(...held);
    await works(await slow, quick);
  });
});

describe('the end of one session leaves the others alone', () => {
  const ends: readonly (readonly [string, (gateway: MultiGateway, channel: Channel) => unknown])[] = [
    ['its close()', (_gateway, channel) => channel.close()],
    [
      'the gateway closes it',
      (gateway) =>
        gateway.nth(0).send(controlMessage({ kind: 'close', code: 'revoked', retryAfterMs: 0, detail: '' })),
    ],
    [
      'bad frames',
      (gateway, { sessionId }) => {
        const frame = Uint8Array.of(1, FRAME_TYPE.messages, ...sidOf(sessionId), ...new Uint8Array(80));
        for (let at = 0; at < 16; at += 1) gateway.deliver(frame);
      },
    ],
    [
      'frames that cannot be read at all, but name it',
      (gateway, { sessionId }) => {
        const frame = Uint8Array.of(1, 0x55, ...sidOf(sessionId));
        for (let at = 0; at < 16; at += 1) gateway.deliver(frame);
      },
    ],
  ];
  test.each(ends)('%s', async (_name, end) => {
    const gateway = new MultiGateway(world);
    const [connection, one, other] = await gateway.pair();
    await end(gateway, one);
    expect(one.closedBy).toBeDefined();
    expect(other.closedBy).toBeUndefined();
    expect(other.counts.rejected).toBe(0);
    expect(gateway.isClosed).toBe(false);
    await works(other, await connection.open(gateway.alice));
    await connection.close();
  });

  test('the gateway hears of a session that ended by bad frames', async () => {
    const gateway = new MultiGateway(world);
    const [connection, one] = await gateway.pair();
    const frame = Uint8Array.of(1, FRAME_TYPE.messages, ...sidOf(one.sessionId));
    for (let at = 0; at < 16; at += 1) gateway.deliver(frame);
    await vi.waitFor(() => expect(isTold(gateway.nth(0))).toBe(true));
    expect(isTold(gateway.nth(1))).toBe(false);
    await connection.close();
  });

  const refusals: readonly (readonly [string, string, Behaviour])[] = [
    ['a sealed refusal', 'denied', { reject: 'denied' }],
    ['an alert in place of ServerHello', 'busy', { changeHello: () => [encodeAlert(undefined, 'busy', 5)] }],
    [
      'an alert of a session that never was',
      'busy',
      { changeHello: () => [encodeAlert(new Uint8Array(16).fill(3), 'busy', 5)] },
    ],
    [
      'a gateway that does not prove itself',
      'sealed_part',
      { changeHello: (hello) => [flipBit(hello, 800)] },
    ],
    ['ServerHello twice', 'unexpected_type', { changeHello: (hello) => [hello, hello] }],
    ['a ServerHello without a session id', 'wrong_session', { changeHello: (hello) => [anonymous(hello)] }],
    ['a flood', 'out_of_order', { changeHello: (hello) => Array.from({ length: 50 }, () => hello) }],
  ];
  test.each(refusals)('%s', async (_name, code, behaviour) => {
    const gateway = new MultiGateway(world, (nth) => (nth === 1 ? behaviour : {}));
    await using connection = gateway.open();
    const [one, two, three] = await Promise.allSettled(
      Array.from({ length: 3 }, () => connection.open(gateway.alice)),
    );
    expect(two).toMatchObject({ status: 'rejected', reason: { kind: 'handshake', code } });
    if (one?.status !== 'fulfilled' || three?.status !== 'fulfilled') throw new Error('they did not open');
    await works(one.value, three.value);
    expect(gateway.isClosed).toBe(false);
  });

  test('a session that demands channel binding where there is none', async () => {
    const gateway = new MultiGateway(world);
    await using connection = gateway.open();
    const [bound, free] = await Promise.allSettled([
      connection.open({ ...gateway.alice, channelBinding: 'required' }),
      connection.open(gateway.alice),
    ]);
    expect(bound).toMatchObject({ reason: { code: 'channel_binding_refused' } });
    expect(free.status).toBe('fulfilled');
  });

  test('closed while another is opening', async () => {
    const { held, behaviourOf } = holding('changeHello', 1);
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const one = await connection.open(gateway.alice);
    const opening = connection.open(gateway.alice);
    await vi.waitFor(() => expect(held.length).toBe(1));
    await one.close();
    gateway.alert('unknown_session', sidOf(one.sessionId));
    gateway.deliver(...held);
    await works(await opening);
  });
});

describe('the end of the connection', () => {
  test('ends every session, open, under way and waiting', async () => {
    const gateway = new MultiGateway(world, holding('changeHello', 1).behaviourOf);
    const connection = gateway.open();
    const one = await connection.open(gateway.alice);
    const others = [failureOf(connection.open(gateway.alice)), failureOf(connection.open(gateway.alice))];
    await vi.waitFor(() => expect(gateway.gateways.length).toBe(2));
    gateway.lose();
    for (const error of await Promise.all(others)) expect(error.code).toBe('connection_lost');
    expect(one.closedBy?.code).toBe('connection_lost');
    expect(connection.closedBy?.code).toBe('connection_lost');
    expect((await failureOf(connection.open(gateway.alice))).code).toBe('connection_lost');
    expect(connection.counts.sessions).toBe(0);
  });

  test('close() tells the gateway for each session, is idempotent, and opens no more', async () => {
    const gateway = new MultiGateway(world);
    const [connection, one, other] = await gateway.pair();
    await Promise.all([connection.close(), connection.close()]);
    const last = gateway.written.slice(-2);
    expect(last.map(({ type }) => type)).toEqual([FRAME_TYPE.messages, FRAME_TYPE.messages]);
    expect(last.map(({ sid }) => sid)).toEqual([one.sessionId, other.sessionId]);
    expect([one.closedBy?.code, other.closedBy?.code]).toEqual(['closed', 'closed']);
    expect(gateway.isClosed).toBe(true);
    expect((await failureOf(connection.open(gateway.alice))).kind).toBe('closed');
  });

  test('a carrier that never opens', async () => {
    const connection = new MultiGateway(world).open({
      timeoutMs: 30,
      openCarrierForTesting: () => ({ write: () => true, close: () => undefined, closed: Promise.resolve() }),
    });
    const { alice } = new MultiGateway(world);
    expect((await failureOf(connection.open(alice))).message).toContain('no connection with in memory');
    expect(connection.closedBy?.kind).toBe('timeout');
  });

  test('options that cannot be right', () => {
    expect(() => new MultiGateway(world).open({ timeoutMs: 0 })).toThrow(RangeError);
  });
});

test('a carrier that is full takes from the sessions in turn, and no frame more than it asked for', async () => {
  const gateway = new MultiGateway(world, () => ({ onMessages: () => undefined }));
  const connection = gateway.open();
  const channels: Channel[] = [];
  for (let at = 0; at < 3; at += 1) channels.push(await connection.open({ ...gateway.alice, batch: 1 }));
  await tick(10);
  const before = gateway.written.length;
  gateway.isFull = () => true;
  const ends = channels.flatMap((channel) =>
    Array.from({ length: 10 }, () => channel.request('slow', body('x')).catch(() => undefined)),
  );
  await tick(30);
  expect(gateway.written.length - before).toBe(1);
  for (let at = 0; at < 5; at += 1) gateway.drain();
  const ids = channels.map(({ sessionId }) => sessionId);
  const turns = gateway.written.slice(before).map(({ sid }) => ids.indexOf(sid));
  expect(turns).toEqual([0, 0, 1, 2, 0, 1]);
  await connection.close();
  await Promise.all(ends);
});

const anonymous = (frame: Uint8Array): Uint8Array => renamed(frame, '00'.repeat(16));
