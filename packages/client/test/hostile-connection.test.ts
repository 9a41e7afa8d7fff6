/** A gateway that mixes sessions up, and handshakes that were given up: no frame is taken for another's. */
import { encodeAlert, FRAME_TYPE } from '@sallyport/channel';
import { toHex } from '@sallyport/crypto';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { makeWorld, type World } from './support/certificates.ts';
import { body, failureOf, type Behaviour } from './support/gateway.ts';
import { MultiGateway } from './support/multi-gateway.ts';
import { holding, isTold, renamed, tick, watchRejections, works } from './support/sessions.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
watchRejections();

describe('a gateway that mixes them up', () => {
  test('frames of unknown sessions and without one are dropped, whatever is under way', async () => {
    const { held, behaviourOf } = holding('changeHello', 1);
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const one = await connection.open(gateway.alice);
    const opening = connection.open(gateway.alice);
    await vi.waitFor(() => expect(held.length).toBe(1));
    const stray = [FRAME_TYPE.accept, FRAME_TYPE.reject, FRAME_TYPE.messages, FRAME_TYPE.clientHello, 0x55];
    const frames = stray.map((type) => Uint8Array.of(1, type, ...new Uint8Array(60).fill(0xee)));
    gateway.deliver(...frames, new Uint8Array(0), new Uint8Array(17), new Uint8Array(100));
    expect(connection.counts.strays).toBe(8);
    gateway.deliver(...held);
    await works(one, await opening);
    expect(one.counts.rejected).toBe(0);
    expect((await opening).counts.rejected).toBe(0);
  });

  test('a frame of one session under the name of another is bad for the one it names', async () => {
    const gateway = new MultiGateway(world);
    const [connection, one, other] = await gateway.pair();
    const response = { kind: 'response', destination: '', contentType: '', trace: '' } as const;
    const frame = gateway.nth(0).seal({ ...response, correlation: new Uint8Array(16), payload: body('') });
    gateway.deliver(renamed(frame, other.sessionId));
    expect([one.counts.rejected, other.counts.rejected]).toEqual([0, 1]);
    await works(one, other);
    await connection.close();
  });

  test('a ServerHello that names an open session opens none and harms none', async () => {
    let taken = '';
    const gateway = new MultiGateway(world, (nth) =>
      nth === 1 ? { changeHello: (hello) => [renamed(hello, taken)] } : {},
    );
    await using connection = gateway.open();
    const one = await connection.open(gateway.alice);
    taken = one.sessionId;
    const error = await failureOf(connection.open({ ...gateway.alice, timeoutMs: 60 }));
    expect(error.kind).toBe('timeout');
    expect(one.closedBy).toBeUndefined();
    expect(one.counts.rejected).toBe(1);
  });

  test('the Accept of another handshake', async () => {
    const held: Uint8Array[] = [];
    const keep: Behaviour = { changeAccept: (frame) => (held.push(frame), []) };
    const gateway = new MultiGateway(world, () => keep);
    await using connection = gateway.open();
    const one = connection.open(gateway.alice);
    const other = failureOf(connection.open(gateway.alice));
    await vi.waitFor(() => expect(held.length).toBe(2));
    const [mine, theirs] = held;
    if (mine === undefined || theirs === undefined) throw new Error('nothing was held');
    gateway.deliver(renamed(mine, toHex(theirs.subarray(2, 18))));
    expect(await other).toMatchObject({ kind: 'handshake', code: 'sealed_part' });
    gateway.deliver(mine);
    await works(await one);
  });

  test('an alert of no session when no hello is under way is nobody’s', async () => {
    const { held, behaviourOf } = holding('changeAccept', 1);
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const one = await connection.open(gateway.alice);
    const opening = connection.open(gateway.alice);
    await vi.waitFor(() => expect(held.length).toBe(1));
    gateway.alert('closing');
    gateway.deliver(...held);
    await works(one, await opening);
  });
});

describe('handshakes that were given up', () => {
  const answers: readonly (readonly [string, (held: Uint8Array) => Uint8Array])[] = [
    ['ServerHello', (held) => held],
    ['alert', () => encodeAlert(undefined, 'busy', 5)],
  ];
  test.each(answers)('the late %s is not taken for the answer to the next hello', async (_name, late) => {
    const { held, behaviourOf } = holding('changeHello');
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const given = failureOf(connection.open({ ...gateway.alice, timeoutMs: 30 }));
    expect((await given).kind).toBe('timeout');
    const next = connection.open(gateway.alice);
    await tick(20);
    expect(gateway.gateways.length).toBe(1);
    gateway.deliver(...held.map(late));
    await works(await next);
    expect(gateway.written.filter(({ type }) => type === FRAME_TYPE.clientAuth).length).toBe(1);
  });

  test('a hello that is never answered: no more sessions, and the open ones go on', async () => {
    const gateway = new MultiGateway(world, holding('changeHello', 1).behaviourOf);
    await using connection = gateway.open();
    const one = await connection.open(gateway.alice);
    for (let at = 0; at < 2; at += 1) {
      expect((await failureOf(connection.open({ ...gateway.alice, timeoutMs: 30 }))).kind).toBe('timeout');
    }
    expect(gateway.gateways.length).toBe(2);
    await works(one);
    expect(connection.counts.sessions).toBe(1);
  });

  test('after the credential was shown: what opens all the same is closed at once', async () => {
    const { held, behaviourOf } = holding('changeAccept');
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const giveUp = new AbortController();
    const given = failureOf(connection.open({ ...gateway.alice, signal: giveUp.signal }));
    await vi.waitFor(() => expect(held.length).toBe(1));
    giveUp.abort();
    expect((await given).kind).toBe('closed');
    gateway.deliver(...held);
    await vi.waitFor(() => expect(isTold(gateway.nth(0))).toBe(true));
    expect(connection.counts.sessions).toBe(0);
    await works(await connection.open(gateway.alice));
  });

  test('before its turn came: nothing is sent for it', async () => {
    const { held, behaviourOf } = holding('changeHello');
    const gateway = new MultiGateway(world, behaviourOf);
    await using connection = gateway.open();
    const one = connection.open(gateway.alice);
    expect((await failureOf(connection.open({ ...gateway.alice, timeoutMs: 30 }))).kind).toBe('timeout');
    gateway.deliver(...held);
    await works(await one);
    expect(gateway.gateways.length).toBe(1);
  });
});
