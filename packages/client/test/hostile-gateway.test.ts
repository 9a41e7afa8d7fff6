/** Gateways that cheat, in the handshake and after it: each is refused, harms nothing else, and is never believed. */
import {
  controlMessage,
  createGatewayIdentity,
  encodeAlert,
  encodeControl,
  FRAME_TYPE,
  type OutgoingMessage,
} from '@sallyport/channel';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Channel, ConnectOptions } from '../src/index.ts';
import { GATEWAY_ID, makeCertificate, makeWorld, TRUST_DOMAIN, type World } from './support/certificates.ts';
import {
  body,
  echoOf,
  failureOf,
  flipBit,
  identityOf,
  refusalOf,
  TestGateway,
  text,
  type Behaviour,
} from './support/gateway.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
const silent = { onMessages: () => undefined };

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): number => unhandled.push(reason);
beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

describe('handshakes', () => {
  type Row = {
    readonly name: string;
    readonly code: string;
    readonly behaviour: Behaviour;
    readonly options?: Partial<ConnectOptions>;
  };
  const row = (
    name: string,
    code: string,
    behaviour: Behaviour,
    options: Partial<ConnectOptions> = {},
  ): Row => ({
    name,
    code,
    behaviour,
    options,
  });
  const rows: readonly Row[] = [
    row('a bit flipped in the clear part of ServerHello', 'sealed_part', {
      changeHello: (frame) => [flipBit(frame, 8 * 70)],
    }),
    row('a bit flipped in the gateway’s proof', 'sealed_part', {
      changeHello: (frame) => [flipBit(frame, frame.length * 8 - 200)],
    }),
    row('ServerHello cut short', 'truncated', { changeHello: (frame) => [frame.subarray(0, 30)] }),
    row('ServerHello of an unknown version', 'unknown_version', {
      changeHello: (frame) => [flipBit(frame, 7)],
    }),
    row('noise in place of ServerHello', 'unknown_version', {
      changeHello: () => [new Uint8Array(500).fill(0xa5)],
    }),
    row('an empty frame', 'truncated', { changeHello: () => [new Uint8Array(0)] }),
    row('ServerHello twice', 'unexpected_type', { changeHello: (frame) => [frame, frame] }),
    row('Accept before ServerHello', 'out_of_order', {
      changeHello: (frame) => [typed(frame, FRAME_TYPE.accept)],
    }),
    row('a message before Accept', 'unexpected_type', {
      changeAccept: (frame) => [typed(frame, FRAME_TYPE.messages)],
    }),
    row('a bit flipped in Accept', 'sealed_part', { changeAccept: (frame) => [flipBit(frame, 8 * 40)] }),
    row('Accept of another session', 'wrong_session', { changeAccept: (frame) => [flipBit(frame, 8 * 3)] }),
    row('a flood', 'out_of_order', { changeHello: (frame) => Array.from({ length: 100 }, () => frame) }),
    row(
      'a binding for somebody else',
      'binding_mismatch',
      { binding: { principal: 'user:mallory' } },
      { expectedPrincipal: 'user:alice' },
    ),
    row('a sealed refusal', 'denied', { reject: 'denied' }),
    row('an alert', 'alert', { changeHello: () => [encodeAlert(undefined, 'invalid_message')] }),
    row('too busy', 'busy', { changeHello: () => [encodeAlert(undefined, 'busy', 1000)] }),
    row('a TLS connection that is not ours', 'sealed_part', {
      exporter: { client: new Uint8Array(32), gateway: new Uint8Array(32).fill(1) },
    }),
    row(
      'no channel binding where it is required',
      'channel_binding_refused',
      {},
      { channelBinding: 'required' },
    ),
    row(
      'none chosen where binding is required',
      'alert',
      { exporter: { client: new Uint8Array(32) } },
      { channelBinding: 'required' },
    ),
  ];
  test.each(rows)('$name', async ({ code, behaviour, options }) => {
    const gateway = new TestGateway(world, behaviour);
    const error = await failureOf(gateway.connect(options));
    expect(error.kind).toBe('handshake');
    expect(error.code).toBe(code);
    expect(gateway.isClosed).toBe(true);
  });

  test('a certificate of another root', async () => {
    const root = await makeCertificate({ isAuthority: true });
    const identity = identityOf({ gateway: await makeCertificate({ issuer: root }) });
    const error = await failureOf(new TestGateway(world, { identity }).connect());
    expect(error).toMatchObject({ kind: 'handshake', code: 'gateway_certificate' });
  });

  test('the certificate of another service', async () => {
    const gateway = await makeCertificate({
      issuer: world.root,
      uris: [`spiffe://${TRUST_DOMAIN}/svc/key-service`],
    });
    const error = await failureOf(new TestGateway(world, { identity: identityOf({ gateway }) }).connect());
    expect(error).toMatchObject({ kind: 'handshake', code: 'gateway_name' });
  });

  test('a delegation that is over', async () => {
    const identity = identityOf(world, Date.now() - 1000);
    const error = await failureOf(new TestGateway(world, { identity }).connect());
    expect(error).toMatchObject({ kind: 'handshake', code: 'gateway_delegation' });
  });

  test('a signing key that the certificate does not vouch for', async () => {
    const stranger = await makeCertificate({ issuer: world.root });
    const identity = createGatewayIdentity({
      chainDer: [world.gateway.der],
      trustDomain: TRUST_DOMAIN,
      certificateKey: stranger.key,
      notAfterMs: Date.now() + 1000,
    });
    const error = await failureOf(new TestGateway(world, { identity }).connect());
    expect(error).toMatchObject({ kind: 'handshake', code: 'gateway_delegation' });
    expect(GATEWAY_ID).toContain(TRUST_DOMAIN);
  });

  test('no credential is shown to a gateway that did not prove itself', async () => {
    let frames = 0;
    const gateway = new TestGateway(world, {
      changeHello: (frame) => [flipBit(frame, frame.length * 8 - 9)],
    });
    const { openCarrier } = gateway;
    const error = await failureOf(
      gateway.connect({
        openCarrierForTesting: (events) => {
          const carrier = openCarrier(events);
          return { ...carrier, write: (frame) => ((frames += 1), carrier.write(frame)) };
        },
      }),
    );
    expect(error.message).toContain('no credential was shown');
    expect(frames).toBe(1);
  });

  test('silence ends by time-out', async () => {
    const gateway = new TestGateway(world, { changeHello: () => [] });
    expect(await failureOf(gateway.connect({ timeoutMs: 50 }))).toMatchObject({ kind: 'timeout' });
    expect(gateway.isClosed).toBe(true);
  });

  test('giving up while connecting', async () => {
    const giveUp = new AbortController();
    const connecting = failureOf(
      new TestGateway(world, { changeHello: () => [] }).connect({ signal: giveUp.signal }),
    );
    giveUp.abort();
    expect(await connecting).toMatchObject({ kind: 'closed' });
  });

  test('a connection that is lost in the handshake', async () => {
    const gateway = new TestGateway(world, { changeHello: () => (gateway.lose(), []) });
    expect(await failureOf(gateway.connect())).toMatchObject({ kind: 'connection', code: 'connection_lost' });
  });
});

describe('open sessions', () => {
  const good = async (channel: Channel): Promise<void> => {
    expect(text((await channel.request('echo', body('still here'))).body)).toBe('still here');
  };
  const response = (correlation: Uint8Array): OutgoingMessage => ({
    kind: 'response',
    correlation,
    destination: '',
    contentType: 'text/plain',
    trace: '',
    payload: body('not asked for'),
  });

  const frames = [
    ['a bit flipped in the header', (frame: Uint8Array) => flipBit(frame, 8 * 60)],
    ['a bit flipped in the content', (frame: Uint8Array) => flipBit(frame, frame.length * 8 - 8 * 80)],
    ['a bit flipped in the signature', (frame: Uint8Array) => flipBit(frame, frame.length * 8 - 1)],
    ['a frame of another session', (frame: Uint8Array) => flipBit(frame, 8 * 5)],
    ['a frame cut short', (frame: Uint8Array) => frame.subarray(0, -1)],
    ['a frame with a byte more', (frame: Uint8Array) => Uint8Array.of(...frame, 0)],
    ['an empty frame', () => new Uint8Array(0)],
    ['a handshake frame', (frame: Uint8Array) => typed(frame, FRAME_TYPE.accept)],
    ['an unknown type', (frame: Uint8Array) => typed(frame, 0x55)],
  ] as const;
  test.each(frames)('%s is refused, and the true one is still taken', async (_name, change) => {
    const gateway = new TestGateway(world, {
      onMessages(self, messages) {
        if (messages.length === 0) return;
        const frame = self.seal(...messages.map(echoOf));
        self.deliver(change(frame), frame);
      },
    });
    const channel = await gateway.connect();
    await good(channel);
    expect(channel.counts.rejected).toBe(1);
    await channel.close();
  });

  test('a frame again is not taken again', async () => {
    const gateway = new TestGateway(world, {
      onMessages(self, messages) {
        if (messages.length === 0) return;
        const frame = self.seal(...messages.map(echoOf));
        self.deliver(frame, frame, frame);
      },
    });
    const channel = await gateway.connect();
    await good(channel);
    expect(channel.counts).toMatchObject({ received: 1, rejected: 2 });
    await channel.close();
  });

  test('a response to nothing', async () => {
    const gateway = new TestGateway(world);
    const channel = await gateway.connect();
    for (let at = 0; at < 100; at += 1) gateway.send(response(new Uint8Array(16).fill(at)));
    await good(channel);
    await channel.close();
  });

  test('a second response to the same request', async () => {
    const gateway = new TestGateway(world, {
      onMessages: (self, messages) => {
        for (const message of messages) self.send(echoOf(message), response(message.correlation));
      },
    });
    const channel = await gateway.connect();
    await good(channel);
    await good(channel);
    await channel.close();
  });

  test.each(['duplicate', 'running', 'stale'] as const)(
    '%s settles nothing: the copy was refused',
    async (code) => {
      const gateway = new TestGateway(world, {
        onMessages: (self, messages) => {
          for (const message of messages)
            self.send(refusalOf(message, code), refusalOf(message, code), echoOf(message));
        },
      });
      const channel = await gateway.connect();
      await good(channel);
      await channel.close();
    },
  );

  test('a refusal that cannot be read', async () => {
    const gateway = new TestGateway(world, {
      onMessages: (self, messages) =>
        self.send(
          ...messages.map((message) => ({
            ...refusalOf(message, 'denied'),
            payload: Uint8Array.of(1, 2, 3),
          })),
        ),
    });
    const channel = await gateway.connect();
    expect(await failureOf(channel.request('echo', body('x')))).toMatchObject({
      kind: 'refusal',
      code: 'internal',
      mayHaveTakenEffect: true,
    });
    await channel.close();
  });

  const controls = [
    ['of no bytes', new Uint8Array(0)],
    ['of an unknown type', Uint8Array.of(99, 1, 2)],
    ['of a reserved type', Uint8Array.of(3)],
    [
      'an acknowledgement cut short',
      encodeControl({ kind: 'ack', receivedThrough: 1, lost: 0, gatewayTimeMs: 1, missing: [] }).subarray(
        0,
        9,
      ),
    ],
    [
      'an acknowledgement of what was never sent',
      encodeControl({ kind: 'ack', receivedThrough: 10 ** 9, lost: 0, gatewayTimeMs: 1, missing: [] }),
    ],
    [
      'a time of another age',
      encodeControl({ kind: 'ack', receivedThrough: 0, lost: 0, gatewayTimeMs: 10 ** 15, missing: [] }),
    ],
  ] as const;
  test.each(controls)('control %s', async (_name, payload) => {
    const gateway = new TestGateway(world);
    const channel = await gateway.connect();
    const message = controlMessage({ kind: 'close', code: 'internal', retryAfterMs: 0, detail: '' });
    gateway.send({ ...message, payload });
    await good(channel);
    expect(channel.closedBy).toBeUndefined();
    await channel.close();
  });

  test('close: what is under way fails with the gateway’s word', async () => {
    const gateway = new TestGateway(world, silent);
    const channel = await gateway.connect();
    const under = failureOf(channel.request('slow', body('x')));
    await vi.waitFor(() => expect(gateway.requests.length).toBe(1));
    gateway.send(controlMessage({ kind: 'close', code: 'revoked', retryAfterMs: 0, detail: '' }));
    expect(await under).toMatchObject({ kind: 'closed', code: 'revoked', mayHaveTakenEffect: true });
    expect(channel.closedBy?.code).toBe('revoked');
  });

  test('15 bad frames in a row are borne, 16 end the session', async () => {
    const gateway = new TestGateway(world);
    const channel = await gateway.connect();
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 15; at += 1) gateway.deliver(new Uint8Array(100));
      await good(channel);
    }
    for (let at = 0; at < 16; at += 1) gateway.deliver(new Uint8Array(100));
    expect(channel.closedBy).toMatchObject({ kind: 'connection' });
    expect(gateway.isClosed).toBe(true);
  });

  test('a flood of copies ends the session', async () => {
    const gateway = new TestGateway(world);
    const channel = await gateway.connect();
    const frame = gateway.seal(response(new Uint8Array(16).fill(9)));
    for (let at = 0; at < 17; at += 1) gateway.deliver(frame);
    expect(channel.closedBy).toMatchObject({ kind: 'connection' });
  });

  test('messages out of order and with gaps are taken once each', async () => {
    const gateway = new TestGateway(world);
    const channel = await gateway.connect();
    const [first, second, third] = [1, 2, 3].map((fill) =>
      gateway.seal(response(new Uint8Array(16).fill(fill))),
    );
    if (first === undefined || second === undefined || third === undefined) throw new Error('not sealed');
    gateway.deliver(third, first, third, first);
    expect(channel.counts).toMatchObject({ received: 2, rejected: 2 });
    gateway.deliver(second);
    expect(channel.counts).toMatchObject({ received: 3, rejected: 2 });
    await channel.close();
  });
});

describe('credentials', () => {
  test.each([
    ['no certificate', (): Partial<{ certPem: string; key: string }> => ({ certPem: 'nothing' })],
    ['a key that is none', () => ({ key: 'nothing' })],
  ])('%s: refused before anything is sent', async (_name, change) => {
    const { alice } = world;
    const credential = { kind: 'certificate' as const, certPem: alice.pem, key: alice.keyPem, ...change() };
    await expect(new TestGateway(world).connect({ credential })).rejects.toThrow(TypeError);
  });

  test('the key of somebody else', async () => {
    const credential = { kind: 'certificate' as const, certPem: world.alice.pem, key: world.gateway.key };
    await expect(new TestGateway(world).connect({ credential })).rejects.toThrow("is not the certificate's");
  });
});

function typed(frame: Uint8Array, type: number): Uint8Array {
  const copy = frame.slice();
  copy[1] = type;
  return copy;
}
