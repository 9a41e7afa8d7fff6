/** Sealed parts whose seal is right and whose content is not: the checks behind the AEAD. */
import { concatBytes } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { encodeCredential } from '../src/client-auth.ts';
import { ClientHandshake, ServerHandshake } from '../src/index.ts';
import { leakingSuite, reseal, withoutPskProof } from './reseal.ts';
import { certificateClient, flipBit, gatewayOptions, ok, pskClient } from './world.ts';

async function greet(options = certificateClient) {
  const leak = leakingSuite();
  const client = new ClientHandshake(options);
  const server = new ServerHandshake({ ...gatewayOptions, suites: leak.suites });
  const clientHello = client.start();
  const serverHello = ok(await server.onClientHello(clientHello)).frame;
  return { leak, client, server, clientHello, serverHello };
}

const lastBit = (plaintext: Uint8Array) => flipBit(plaintext, plaintext.length * 8 - 1);

describe.each([
  ['certificate', certificateClient],
  ['psk', pskClient],
])('by %s', (_method, options) => {
  it('the part sealed again unchanged is good', async () => {
    const { leak, client, serverHello, ...rest } = await greet(options);
    const again = reseal({ ...rest, serverHello, target: serverHello }, leak.secret(), (same) => same);
    expect((await client.onServerHello(again)).ok).toBe(true);
  });

  it('another Finished of the gateway is refused', async () => {
    const { leak, client, serverHello, ...rest } = await greet(options);
    const forged = reseal({ ...rest, serverHello, target: serverHello }, leak.secret(), lastBit);
    expect(await client.onServerHello(forged)).toEqual({ ok: false, cause: 'finished' });
  });

  it('another Finished of the client is refused', async () => {
    const { leak, client, server, serverHello, clientHello } = await greet(options);
    const target = ok(await client.onServerHello(serverHello)).frame;
    const forged = reseal({ clientHello, serverHello, target }, leak.secret(), lastBit);
    expect(server.onClientAuth(forged)).toMatchObject({ ok: false, cause: 'finished' });
  });
});

it('a gateway that leaves mac_s out in PSK mode is refused, however well it signs', async () => {
  const { leak, client, serverHello, clientHello } = await greet(pskClient);
  let serverAuth = new Uint8Array(0);
  reseal(
    { clientHello, serverHello, target: serverHello },
    leak.secret(),
    (opened) => (serverAuth = opened.slice()),
  );
  const forged = withoutPskProof(clientHello, serverHello, serverAuth, leak.secret());
  expect(await client.onServerHello(forged)).toEqual({ ok: false, cause: 'psk_proof' });
});

it('a client that changes its method after ClientHello is refused', async () => {
  const { leak, client, server, serverHello, clientHello } = await greet();
  const target = ok(await client.onServerHello(serverHello)).frame;
  const asPsk = () =>
    concatBytes(
      encodeCredential({ method: 'psk' }),
      new Uint8Array(2 + 2 + 2),
      Uint8Array.of(32),
      new Uint8Array(32),
      new Uint8Array(32),
    );
  const forged = reseal({ clientHello, serverHello, target }, leak.secret(), asPsk);
  expect(server.onClientAuth(forged)).toMatchObject({ ok: false, cause: 'unsupported_method' });
});
