/** A hostile client, or a hostile carrier, against our gateway and auth-service. */
import { AES_256_GCM, concatBytes, ED25519, X25519, X25519MLKEM768 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeClientHello, parseClientHello, type ClientHello } from '../src/client-hello.ts';
import {
  checkClientProof,
  checkGatewayProof,
  ClientHandshake,
  isPskClientProof,
  parseAlert,
  parseFrame,
  readHandshake,
  readPskProofRequest,
  ServerHandshake,
  type ClientHandshakeOptions,
  type HandshakeCause,
  type RawHandshake,
  type ServerHandshakeOptions,
} from '../src/index.ts';
import {
  authenticate,
  certificateClient,
  clientCertificateKeys,
  flipBit,
  gatewayCertificateKeys,
  gatewayOptions,
  keysOf,
  NOW_MS,
  ok,
  provePsk,
  pskClient,
  pskKey,
} from './world.ts';

const exporter = new Uint8Array(32).fill(0xee);
const classical = { kex: [X25519], aead: [AES_256_GCM], signature: [ED25519] };

describe('its ClientHello', () => {
  const frame = new ClientHandshake({ ...certificateClient, suites: classical }).start();
  const hello = ok(parseClientHello(frame.subarray(18)));
  const withHello = (change: Partial<ClientHello>) =>
    concatBytes(frame.subarray(0, 18), encodeClientHello({ ...hello, ...change }));
  const share = { id: X25519.id, share: new Uint8Array(32).fill(9) };

  const rows: readonly (readonly [string, Uint8Array, HandshakeCause, Partial<ServerHandshakeOptions>?])[] = [
    ['empty', new Uint8Array(0), 'truncated'],
    ['only a header', frame.subarray(0, 18), 'truncated'],
    ['cut in the middle', frame.subarray(0, 60), 'truncated'],
    ['cut by a byte', frame.subarray(0, -1), 'truncated'],
    ['a byte too long', concatBytes(frame, Uint8Array.of(0)), 'trailing_bytes'],
    ['above 16 KiB', concatBytes(frame, new Uint8Array(16_384)), 'oversized'],
    ['version 2 of the frame', Uint8Array.of(2, ...frame.subarray(1)), 'unknown_version'],
    ['a session id', Uint8Array.of(1, 1, 1, ...frame.subarray(3)), 'wrong_session'],
    ['another handshake type', Uint8Array.of(1, 3, ...frame.subarray(2)), 'unexpected_type'],
    ['a resume', Uint8Array.of(1, 5, ...frame.subarray(2)), 'unexpected_type'],
    ['no version', withHello({ versions: [] }), 'bad_count'],
    ['only version 2', withHello({ versions: [2] }), 'no_common_version'],
    ['a version twice', withHello({ versions: [1, 1] }), 'bad_count'],
    ['no key exchange', withHello({ kex: [] }), 'bad_count'],
    [
      'only an unknown key exchange',
      withHello({ kex: [{ id: 0x17, share: new Uint8Array(65) }] }),
      'no_common_suite',
    ],
    ['a key exchange twice', withHello({ kex: [share, share] }), 'bad_count'],
    [
      'nine key exchanges',
      withHello({ kex: Array.from({ length: 9 }, (_, id) => ({ ...share, id })) }),
      'bad_count',
    ],
    ['a share of 31 bytes', withHello({ kex: [{ ...share, share: new Uint8Array(31) }] }), 'bad_share'],
    ['a share of small order', withHello({ kex: [{ ...share, share: new Uint8Array(32) }] }), 'bad_share'],
    ['only an unknown AEAD', withHello({ aead: [1] }), 'no_common_suite'],
    ['only an unknown signature algorithm', withHello({ signature: [0x0403] }), 'no_common_suite'],
    ['no channel binding type', withHello({ channelBindings: [] }), 'bad_count'],
    ['only an unknown channel binding type', withHello({ channelBindings: [9] }), 'channel_binding_refused'],
    [
      'no binding where one is required',
      frame,
      'channel_binding_refused',
      { exporter, isChannelBindingRequired: true },
    ],
    [
      'no binding where the carrier has none to give',
      frame,
      'channel_binding_refused',
      { isChannelBindingRequired: true },
    ],
    ['method 0', withHello({ method: 0 }), 'unsupported_method'],
    ['the reserved method 3 (token)', withHello({ method: 3 }), 'unsupported_method'],
    ['psk without an id', withHello({ method: 2 }), 'bad_field'],
    ['a PSK id of 15 bytes', withHello({ method: 2, pskId: new Uint8Array(15) }), 'bad_field'],
    ['a PSK id by certificate', withHello({ pskId: new Uint8Array(16) }), 'bad_field'],
  ];
  const full = rows.map(([name, bytes, cause, options = {}]) => [name, bytes, cause, options] as const);
  it.each(full)('%s', async (_name, bytes, cause, options) => {
    const server = new ServerHandshake({ ...gatewayOptions, ...options });
    expect(await server.onClientHello(bytes)).toMatchObject({ ok: false, cause });
  });

  it('psk at a gateway without auth-service’s proof', async () => {
    const server = new ServerHandshake({ identity: gatewayOptions.identity, clock: () => NOW_MS });
    const result = await server.onClientHello(new ClientHandshake(pskClient).start());
    expect(result).toMatchObject({ ok: false, cause: 'unsupported_method' });
  });

  it('negotiation is told apart, everything else is one code', async () => {
    const codeOf = async (bytes: Uint8Array) => {
      const result = await new ServerHandshake(gatewayOptions).onClientHello(bytes);
      if (result.ok) throw new Error('accepted');
      return ok(parseAlert(ok(parseFrame(result.alert)).body)).code;
    };
    expect(await codeOf(withHello({ versions: [2] }))).toBe('unsupported');
    expect(await codeOf(frame.subarray(0, -1))).toBe('invalid_message');
    expect(await codeOf(withHello({ kex: [{ ...share, share: new Uint8Array(32) }] }))).toBe(
      'invalid_message',
    );
  });

  it('twice: one object, one handshake', async () => {
    const server = new ServerHandshake(gatewayOptions);
    ok(await server.onClientHello(frame));
    expect(await server.onClientHello(frame)).toMatchObject({ ok: false, cause: 'out_of_order' });
  });
});

it('a second ClientHello while the proof is awaited: the handshake is dead', async () => {
  let release: (mac: Uint8Array) => void = () => undefined;
  const proof = new Promise<Uint8Array>((resolve) => (release = resolve));
  const server = new ServerHandshake({ ...gatewayOptions, pskServerProof: () => proof });
  const hello = new ClientHandshake(pskClient).start();
  const first = server.onClientHello(hello);
  expect(await server.onClientHello(hello)).toMatchObject({ ok: false, cause: 'out_of_order' });
  release(new Uint8Array(32));
  expect(await first).toMatchObject({ ok: false, cause: 'out_of_order' });
});

async function greeted(options: ClientHandshakeOptions = certificateClient) {
  const client = new ClientHandshake(options);
  const server = new ServerHandshake(gatewayOptions);
  const hello = ok(await server.onClientHello(client.start()));
  const auth = ok(await client.onServerHello(hello.frame));
  return { client, server, auth: auth.frame };
}

describe('its ClientAuth', () => {
  const rows: readonly (readonly [string, (frame: Uint8Array) => Uint8Array, HandshakeCause])[] = [
    ['empty', () => new Uint8Array(0), 'truncated'],
    ['without a sealed part', (frame) => frame.subarray(0, 18), 'sealed_part'],
    ['cut by a byte', (frame) => frame.subarray(0, -1), 'sealed_part'],
    ['a byte too long', (frame) => concatBytes(frame, Uint8Array.of(0)), 'sealed_part'],
    [
      'of another session',
      (frame) => Uint8Array.of(1, 3, (frame[2] ?? 0) ^ 1, ...frame.subarray(3)),
      'wrong_session',
    ],
    ['of another type', (frame) => Uint8Array.of(1, 1, ...frame.subarray(2)), 'unexpected_type'],
    ['above 16 KiB', (frame) => concatBytes(frame, new Uint8Array(16_384)), 'oversized'],
  ];
  it.each(rows)('%s', async (_name, change, cause) => {
    const { server, auth } = await greeted();
    expect(server.onClientAuth(change(auth))).toMatchObject({ ok: false, cause });
    expect(server.onClientAuth(auth)).toMatchObject({ ok: false, cause: 'out_of_order' }); // one attempt
  });

  it('any bit flipped', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (pick) => {
        const { server, auth } = await greeted();
        expect(server.onClientAuth(flipBit(auth, pick % (auth.length * 8))).ok).toBe(false);
      }),
      { numRuns: 40 },
    );
  });

  it('of another handshake', async () => {
    const [first, second] = [await greeted(), await greeted()];
    const moved = concatBytes(first.auth.subarray(0, 18), second.auth.subarray(18));
    expect(first.server.onClientAuth(moved)).toMatchObject({ ok: false, cause: 'sealed_part' });
  });

  it('before ServerHello', () => {
    expect(new ServerHandshake(gatewayOptions).onClientAuth(new Uint8Array(9))).toMatchObject({
      cause: 'out_of_order',
    });
  });

  it('a session key that it does not hold', async () => {
    const stolen = { publicKey: keysOf(77).publicKey, privateKey: keysOf(78).privateKey };
    const { server, auth } = await greeted({ ...certificateClient, signing: stolen });
    expect(server.onClientAuth(auth)).toMatchObject({ ok: false, cause: 'client_key' });
  });

  it('accept or reject before it was good', () => {
    const server = new ServerHandshake(gatewayOptions);
    expect(() => server.reject({ code: 'denied', retryAfterMs: 0, detail: '' })).toThrow('authenticated');
  });

  it('an accept after a reject', async () => {
    const { server, auth } = await greeted();
    const { raw } = ok(server.onClientAuth(auth));
    server.reject({ code: 'denied', retryAfterMs: 0, detail: '' });
    expect(server.accept(authenticate(raw))).toMatchObject({ ok: false, cause: 'out_of_order' });
  });

  it('PX that does not fit the method', async () => {
    const { server, auth } = await greeted();
    const { raw } = ok(server.onClientAuth(auth));
    const result = server.accept({ ...authenticate(raw), pskExport: new Uint8Array(32) });
    expect(result).toMatchObject({ ok: false, cause: 'psk_proof' });
  });
});

describe('what auth-service sees', () => {
  async function rawOf(options: ClientHandshakeOptions): Promise<RawHandshake> {
    const { server, auth } = await greeted(options);
    return ok(server.onClientAuth(auth)).raw;
  }

  it('a certificate without its key', async () => {
    const { credential } = certificateClient;
    if (credential.method !== 'certificate') throw new Error('certificate expected');
    const stolen = {
      ...credential,
      sign: (message: Uint8Array) => ED25519.sign(keysOf(55).privateKey, message),
    };
    const view = ok(readHandshake(await rawOf({ ...certificateClient, credential: stolen })));
    expect(checkClientProof(view, clientCertificateKeys.publicKey)).toBe('credential_signature');
  });

  it('a certificate handshake without a certificate key to check', async () => {
    const view = ok(readHandshake(await rawOf(certificateClient)));
    expect(checkClientProof(view, undefined)).toBe('credential_signature');
    expect(checkClientProof(view, clientCertificateKeys.publicKey)).toBeUndefined();
  });

  it('a PSK proof under another key', async () => {
    const view = ok(readHandshake(await rawOf(pskClient)));
    const mac = view.clientAuth.mac ?? new Uint8Array(0);
    expect(isPskClientProof(pskKey, view.hashes.clientMac, mac)).toBe(true);
    expect(isPskClientProof(pskKey, view.hashes.serverMac, mac)).toBe(false);
    expect(isPskClientProof(pskKey, view.hashes.clientMac, view.serverAuth.mac ?? mac)).toBe(false);
  });

  it('the gateway’s own proof', async () => {
    const view = ok(readHandshake(await rawOf(certificateClient)));
    expect(checkGatewayProof(view, gatewayCertificateKeys.publicKey, NOW_MS)).toBeUndefined();
    expect(checkGatewayProof(view, keysOf(5).publicKey, NOW_MS)).toBe('gateway_delegation');
    expect(checkGatewayProof(view, gatewayCertificateKeys.publicKey, NOW_MS + 3_600_001)).toBe(
      'gateway_delegation',
    );
  });

  // A compromised gateway changes what it passes on: every byte is under a signature of the client.
  const fields = ['clientHello', 'serverHello', 'channelBinding', 'serverAuth', 'clientAuth'] as const;
  it.each(fields)('%s changed by the gateway', async (field) => {
    const raw = await rawOf({ ...certificateClient, suites: classical });
    // The sealed part of ServerHello is opened elsewhere: of that field only what is before it counts.
    const changeable = field === 'serverHello' ? 100 : raw[field].length;
    for (let at = 0; at < Math.max(changeable, 1); at += 1) {
      const changed = {
        ...raw,
        [field]: changeable === 0 ? Uint8Array.of(1) : flipBit(raw[field], at * 8 + (at % 8)),
      };
      const view = readHandshake(changed);
      const isIn = view.ok && checkClientProof(view, clientCertificateKeys.publicKey) === undefined;
      if (isIn) {
        // mac and Finished come after what the client's signatures cover: there the transcript hash must differ.
        expect(view.hashes.afterClientAuth).not.toEqual(ok(readHandshake(raw)).hashes.afterClientAuth);
        expect(field).toBe('clientAuth');
        expect(at).toBeGreaterThanOrEqual(raw.clientAuth.length - 33);
      }
    }
  });

  it('a client part of another method than ClientHello named', async () => {
    const [byCertificate, byPsk] = [await rawOf(certificateClient), await rawOf(pskClient)];
    const mixed = { ...byCertificate, clientAuth: byPsk.clientAuth };
    expect(readHandshake(mixed)).toEqual({ ok: false, cause: 'unsupported_method' });
  });

  it('a PSK handshake in which the gateway proved nothing', async () => {
    const raw = await rawOf(pskClient);
    const auth = raw.serverAuth;
    const withoutMac = concatBytes(auth.subarray(0, -65), Uint8Array.of(0), auth.subarray(-32));
    const shortened = { ...raw, serverAuth: withoutMac, serverHello: raw.serverHello.subarray(0, -32) };
    expect(readHandshake(shortened)).toEqual({ ok: false, cause: 'psk_proof' });
  });

  it('a session without an id', async () => {
    const raw = await rawOf({ ...certificateClient, suites: classical });
    const serverHello = raw.serverHello.slice().fill(0, 2, 18).fill(0, 100, 116); // header, and its repetition in the body
    expect(readHandshake({ ...raw, serverHello })).toEqual({ ok: false, cause: 'wrong_session' });
  });

  it('another channel binding type', async () => {
    const raw = await rawOf(certificateClient);
    expect(readHandshake({ ...raw, channelBindingType: 1 })).toEqual({
      ok: false,
      cause: 'channel_binding_refused',
    });
    expect(readHandshake({ ...raw, channelBinding: exporter })).toEqual({
      ok: false,
      cause: 'channel_binding_refused',
    });
    expect(readHandshake({ ...raw, channelBindingType: 1, channelBinding: exporter })).toEqual({
      ok: false,
      cause: 'channel_binding_refused',
    });
  });

  it('a key exchange that the client did not offer', async () => {
    const raw = await rawOf({ ...certificateClient, suites: classical });
    const hybrid = new ClientHandshake({
      ...certificateClient,
      suites: { ...classical, kex: [X25519MLKEM768] },
    });
    expect(readHandshake({ ...raw, clientHello: hybrid.start() })).toEqual({
      ok: false,
      cause: 'not_offered',
    });
  });

  it('a request for a proof that is none', async () => {
    const raw = await rawOf(pskClient);
    await expect(provePsk(raw)).rejects.toThrow('trailing_bytes'); // the whole handshake, not the prefix
    const byCertificate = await rawOf(certificateClient);
    expect(readPskProofRequest(byCertificate)).toMatchObject({ ok: false });
  });

  it('noise, without a throw', () => {
    const noise = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(
        noise,
        noise,
        noise,
        noise,
        fc.nat(3),
        (clientHello, serverHello, serverAuth, clientAuth, type) => {
          const raw = {
            clientHello,
            serverHello,
            serverAuth,
            clientAuth,
            channelBindingType: type,
            channelBinding: clientAuth,
          };
          expect(readHandshake(raw).ok).toBe(false);
          expect(readPskProofRequest(raw).ok).toBe(false);
        },
      ),
    );
  });
});
