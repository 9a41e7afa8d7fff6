import { AES_256_GCM, ED25519, toHex, utf8, X25519 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { ClientHandshake, readHandshake, ServerHandshake, type OutgoingMessage } from '../src/index.ts';
import { deriveChannelKey } from '../src/key-schedule.ts';
import {
  authenticate,
  certificateClient,
  connect,
  gatewayOptions,
  ok,
  pskClient,
  sessionKey,
} from './world.ts';

const request: OutgoingMessage = {
  kind: 'request',
  correlation: new Uint8Array(16).fill(7),
  destination: 'echo',
  contentType: 'application/json',
  trace: '',
  payload: utf8('{"hello":"world"}'),
};

const exporter = new Uint8Array(32).fill(0xee);
const classical = { kex: [X25519], aead: [AES_256_GCM], signature: [ED25519] };

describe.each([
  ['certificate', certificateClient],
  ['psk', pskClient],
])('a handshake by %s', (method, options) => {
  it.each([
    ['hybrid, no channel binding', options, gatewayOptions],
    ['classical', { ...options, suites: classical }, gatewayOptions],
    [
      'bound to TLS',
      { ...options, exporter, isChannelBindingRequired: true },
      { ...gatewayOptions, exporter },
    ],
    ['bound where only one side can', { ...options, exporter }, gatewayOptions],
  ])('%s: carries messages both ways', async (_name, clientOptions, serverOptions) => {
    const { client, gateway, established } = await connect(clientOptions, serverOptions);
    expect(established.binding.method).toBe(method);
    const there = ok(gateway.openFrame(ok(client.sealFrame([request, request])).bytes));
    expect(there.messages.map(({ sequence, payload }) => [sequence, payload])).toEqual([
      [1, request.payload],
      [2, request.payload],
    ]);
    const answer: OutgoingMessage = { ...request, kind: 'response', destination: '' };
    const back = ok(client.openFrame(ok(gateway.sealFrame([answer])).bytes));
    expect(back.messages[0]).toMatchObject({ kind: 'response', sequence: 1, direction: 's2c' });
  });

  it('prefers the hybrid exchange', async () => {
    const { client } = await connect(options);
    expect(client.suite.kex.name).toBe('X25519MLKEM768');
  });
});

it('a session does not keep the key of the key service', async () => {
  const client = new ClientHandshake(certificateClient);
  const server = new ServerHandshake(gatewayOptions);
  const hello = ok(await server.onClientHello(client.start()));
  const { raw, sid } = ok(server.onClientAuth(ok(await client.onServerHello(hello.frame)).frame));
  const accepted = ok(server.accept(authenticate(raw)));
  const { session } = ok(client.onAccept(accepted.frame));
  const channelKey = deriveChannelKey(sessionKey, sid, ok(readHandshake(raw)).hashes.afterClientAuth);
  for (const bytes of [session.signedBinding.bytes, session.signedBinding.signature, session.binding.sid]) {
    expect(Buffer.from(bytes.buffer).includes(toHex(channelKey), 0, 'hex')).toBe(false);
  }
});
