/** A hostile gateway against our client: no credential leaves, and no session comes of it. */
import { AES_256_GCM, concatBytes, ED25519, randomBytes, X25519 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beforeHostileAccept } from './hostile-gateway.ts';
import {
  ClientHandshake,
  createGatewayIdentity,
  DEFAULT_LIMITS,
  encodeAlert,
  pskServerProof,
  readPskProofRequest,
  ServerHandshake,
  type ClientHandshakeOptions,
  type HandshakeCause,
  type ServerHandshakeOptions,
  type SessionBinding,
} from '../src/index.ts';
import {
  authenticate,
  certificateClient,
  fakeCertificate,
  flipBit,
  GATEWAY_ID,
  gatewayCertificateKeys,
  gatewayOptions,
  identity,
  keysOf,
  NOW_MS,
  ok,
  pskClient,
  pskKey,
  TRUST_DOMAIN,
} from './world.ts';

const classical = { kex: [X25519], aead: [AES_256_GCM], signature: [ED25519] };

/** The client's answer to what a gateway with these options says. */
async function answer(
  server: ServerHandshakeOptions,
  client: ClientHandshakeOptions = certificateClient,
  change: (serverHello: Uint8Array) => Uint8Array = (frame) => frame,
) {
  const handshake = new ClientHandshake(client);
  const hello = ok(await new ServerHandshake(server).onClientHello(handshake.start()));
  return handshake.onServerHello(change(hello.frame));
}

const impostorKeys = keysOf(66);
const identityWith = (change: Partial<Parameters<typeof createGatewayIdentity>[0]>) =>
  createGatewayIdentity({
    chainDer: identity.chainDer,
    trustDomain: TRUST_DOMAIN,
    certificateKey: gatewayCertificateKeys.privateKey,
    notAfterMs: NOW_MS + 1000,
    ...change,
  });

describe('its proof', () => {
  const rows: readonly (readonly [
    string,
    Partial<ServerHandshakeOptions>,
    Partial<ClientHandshakeOptions>,
    HandshakeCause,
  ])[] = [
    ['a chain that is not trusted', {}, { verifyGatewayChain: () => undefined }, 'gateway_certificate'],
    [
      'a chain whose check breaks down',
      {},
      {
        verifyGatewayChain: () => {
          throw new Error('parse error');
        },
      },
      'gateway_certificate',
    ],
    [
      'the name of another service',
      {
        identity: identityWith({
          chainDer: [fakeCertificate(`spiffe://${TRUST_DOMAIN}/svc/auth-service`, gatewayCertificateKeys)],
        }),
      },
      {},
      'gateway_name',
    ],
    [
      'the name of a user with a longer path',
      { identity: identityWith({ chainDer: [fakeCertificate(`${GATEWAY_ID}/x`, gatewayCertificateKeys)] }) },
      {},
      'gateway_name',
    ],
    [
      'a stolen certificate without its key',
      { identity: identityWith({ certificateKey: impostorKeys.privateKey }) },
      {},
      'gateway_delegation',
    ],
    [
      'a delegation that ran out',
      { identity: identityWith({ notAfterMs: NOW_MS - 1 }) },
      {},
      'gateway_delegation',
    ],
    [
      'a delegation that ran out, with a clock turned back',
      { identity: identityWith({ notAfterMs: NOW_MS - 1 }), clock: () => NOW_MS - 10_000 },
      {},
      'gateway_delegation',
    ],
    [
      'a delegation made longer',
      { identity: { ...identity, delegation: { ...identity.delegation, notAfterMs: NOW_MS + 9e9 } } },
      {},
      'gateway_delegation',
    ],
    [
      'another gateway’s delegated key that it does not hold',
      { identity: { ...identity, signing: { ...identity.signing, privateKey: impostorKeys.privateKey } } },
      {},
      'gateway_signature',
    ],
    [
      'a PSK proof by another key',
      { pskServerProof: () => Promise.resolve(new Uint8Array(32)) },
      pskClient,
      'psk_proof',
    ],
    [
      'a PSK proof over the wrong part of the transcript',
      {
        pskServerProof: (raw) => {
          const request = ok(readPskProofRequest(raw));
          return Promise.resolve(pskServerProof(pskKey, request.hashes.serverSignature));
        },
      },
      pskClient,
      'psk_proof',
    ],
    [
      'another TLS connection',
      { exporter: new Uint8Array(32).fill(1) },
      { exporter: new Uint8Array(32) },
      'sealed_part',
    ],
  ];
  it.each(rows)('%s: refused before any credential', async (_name, server, client, cause) => {
    let hasSigned = false;
    const options: ClientHandshakeOptions = { ...certificateClient, ...client };
    const { credential } = options;
    const watched: ClientHandshakeOptions =
      credential.method === 'psk'
        ? options
        : {
            ...options,
            credential: { ...credential, sign: (message) => ((hasSigned = true), credential.sign(message)) },
          };
    expect(await answer({ ...gatewayOptions, ...server }, watched)).toEqual({ ok: false, cause });
    expect(hasSigned).toBe(false);
  });

  it('a leaked PSK alone does not make a gateway', async () => {
    const impostor = identityWith({
      chainDer: [fakeCertificate(GATEWAY_ID, impostorKeys)],
      certificateKey: impostorKeys.privateKey,
    });
    const trusted = fakeCertificate(GATEWAY_ID, gatewayCertificateKeys);
    const strict: ClientHandshakeOptions = {
      ...pskClient,
      verifyGatewayChain: ([leaf]) =>
        leaf && Buffer.from(leaf).equals(trusted)
          ? { publicKey: gatewayCertificateKeys.publicKey, spiffeId: GATEWAY_ID }
          : undefined,
    };
    expect(await answer({ ...gatewayOptions, identity: impostor }, strict)).toMatchObject({
      cause: 'gateway_certificate',
    });
    expect((await answer(gatewayOptions, strict)).ok).toBe(true);
  });
});

describe('its ServerHello in clear', () => {
  // Places in the frame: ver, type, sid (18), version (1), kex (2), lp16 share, aead (2), sig (2), cb (1), nonce (32), time (8), sid.
  const afterShare = (frame: Uint8Array) => 18 + 3 + 2 + (frame[21] ?? 0) * 256 + (frame[22] ?? 0);
  const set =
    (at: (frame: Uint8Array) => number, ...values: readonly number[]) =>
    (frame: Uint8Array) => {
      const copy = frame.slice();
      copy.set(values, at(frame));
      return copy;
    };
  /** For random bytes: a fixed value would now and then be the one that is there. */
  const flip =
    (at: (frame: Uint8Array) => number) =>
    (frame: Uint8Array): Uint8Array => {
      const copy = frame.slice();
      copy[at(frame)] = (copy[at(frame)] ?? 0) ^ 0xff;
      return copy;
    };
  const rows: readonly (readonly [string, (frame: Uint8Array) => Uint8Array, HandshakeCause])[] = [
    ['another session id in the header', flip(() => 2), 'wrong_session'],
    ['another session id in the body', flip((f) => afterShare(f) + 45), 'wrong_session'],
    ['version 2', set(() => 18, 2), 'not_offered'],
    ['an unknown key exchange', set(() => 19, 0, 0x17), 'not_offered'],
    ['an unknown AEAD', set((f) => afterShare(f), 0, 1), 'not_offered'],
    ['an unknown signature algorithm', set((f) => afterShare(f) + 2, 4, 3), 'not_offered'],
    ['a channel binding that was not offered', set((f) => afterShare(f) + 4, 1), 'not_offered'],
    ['an unknown channel binding', set((f) => afterShare(f) + 4, 9), 'not_offered'],
    ['another nonce', set((f) => afterShare(f) + 5, 0, 0, 0, 0, 0), 'sealed_part'],
    ['another time', set((f) => afterShare(f) + 44, 1), 'sealed_part'],
    ['a share of small order', zeroShare, 'bad_share'],
    ['no sealed part', (f) => f.subarray(0, afterShare(f) + 63), 'sealed_part'],
    ['a cut clear part', (f) => f.subarray(0, 40), 'truncated'],
    ['a byte too many', (f) => concatBytes(f, Uint8Array.of(0)), 'sealed_part'],
    ['more than 16 KiB', (f) => concatBytes(f, new Uint8Array(16_384)), 'oversized'],
    ['another type', set(() => 1, 4), 'unexpected_type'],
    ['the answer to a resume', set(() => 1, 6), 'unexpected_type'],
  ];
  function zeroShare(frame: Uint8Array): Uint8Array {
    const copy = frame.slice();
    copy.fill(0, afterShare(frame) - 32, afterShare(frame));
    return copy;
  }
  it.each(rows)('%s', async (_name, change, cause) => {
    expect(await answer(gatewayOptions, { ...certificateClient, suites: classical }, change)).toEqual({
      ok: false,
      cause,
    });
  });

  it('a downgrade to a suite that the client does not admit', async () => {
    const hybridOnly = { ...certificateClient, suites: { ...classical, kex: [] } };
    const handshake = new ClientHandshake(hybridOnly);
    const server = new ServerHandshake(gatewayOptions);
    expect(await server.onClientHello(handshake.start())).toMatchObject({ ok: false });
  });

  it('an offer cut down on the way leaves a transcript that does not fit', async () => {
    const client = new ClientHandshake(certificateClient);
    const downgraded = new ClientHandshake({ ...certificateClient, suites: classical });
    client.start();
    const hello = ok(await new ServerHandshake(gatewayOptions).onClientHello(downgraded.start()));
    expect(await client.onServerHello(hello.frame)).toEqual({ ok: false, cause: 'sealed_part' });
  });

  it('any bit flipped', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (pick) => {
        const changed = (frame: Uint8Array) => flipBit(frame, pick % (frame.length * 8));
        expect((await answer(gatewayOptions, certificateClient, changed)).ok).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('a clear alert ends the handshake and gives no reason to believe', async () => {
    const handshake = new ClientHandshake(certificateClient);
    handshake.start();
    expect(await handshake.onServerHello(encodeAlert(undefined, 'busy', 250))).toEqual({
      ok: false,
      cause: 'alert',
      alert: { ok: true, code: 'busy', retryAfterMs: 250 },
    });
  });

  it('a session id of zeros', async () => {
    const random = (length: number) => (length === 16 ? new Uint8Array(16) : randomBytes(length));
    expect(await answer({ ...gatewayOptions, random })).toEqual({ ok: false, cause: 'wrong_session' });
  });

  it('a second ServerHello finds the handshake over', async () => {
    const handshake = new ClientHandshake(certificateClient);
    const hello = ok(await new ServerHandshake(gatewayOptions).onClientHello(handshake.start()));
    ok(await handshake.onServerHello(hello.frame));
    expect(await handshake.onServerHello(hello.frame)).toEqual({ ok: false, cause: 'out_of_order' });
  });
});

it('a second ServerHello while the chain is checked: the handshake is dead and no credential leaves', async () => {
  let hasSigned = false;
  let release: () => void = () => undefined;
  const checked = new Promise<void>((resolve) => (release = resolve));
  const { credential } = certificateClient;
  if (credential.method !== 'certificate') throw new Error('certificate expected');
  const client = new ClientHandshake({
    ...certificateClient,
    credential: { ...credential, sign: (message) => ((hasSigned = true), credential.sign(message)) },
    verifyGatewayChain: async (chain, atMs) => (
      await checked,
      certificateClient.verifyGatewayChain(chain, atMs)
    ),
  });
  const hello = ok(await new ServerHandshake(gatewayOptions).onClientHello(client.start()));
  const first = client.onServerHello(hello.frame);
  expect(await client.onServerHello(hello.frame)).toEqual({ ok: false, cause: 'out_of_order' });
  release();
  expect(await first).toEqual({ ok: false, cause: 'out_of_order' });
  expect(hasSigned).toBe(false);
});

/** A client that waits for Accept, and a gateway that may give one. */
async function untilAccept(options: ClientHandshakeOptions = certificateClient) {
  const client = new ClientHandshake(options);
  const server = new ServerHandshake(gatewayOptions);
  const hello = ok(await server.onClientHello(client.start()));
  const request = ok(server.onClientAuth(ok(await client.onServerHello(hello.frame)).frame));
  return { client, server, request };
}

describe('its Accept', () => {
  const changes: readonly (readonly [string, Partial<SessionBinding>])[] = [
    ['of another session', { sid: new Uint8Array(16).fill(1) }],
    ['of another transcript', { transcriptHash: new Uint8Array(32) }],
    ['for another signing key', { clientPublicKey: ED25519.rawPublicKey(impostorKeys.publicKey) }],
    ['by another method', { method: 'psk' }],
    ['of another trust domain', { trustDomain: 'elsewhere.test' }],
    ['for another signature algorithm', { signatureAlgorithm: 0x0403 }],
  ];
  it.each(changes)('with a binding %s: our gateway does not send it', async (_name, change) => {
    const { server, request } = await untilAccept();
    expect(server.accept(authenticate(request.raw, change))).toMatchObject({
      ok: false,
      cause: 'binding_mismatch',
    });
  });

  it.each(changes)('with a binding %s: our client does not take it', async (_name, change) => {
    const { client, forge } = await beforeHostileAccept();
    expect(client.onAccept(forge({ binding: change }))).toEqual({ ok: false, cause: 'binding_mismatch' });
  });

  it('with limits above the ceilings: our gateway does not send it', async () => {
    const { server, request } = await untilAccept();
    const limits = { ...DEFAULT_LIMITS, maxFrameBytes: DEFAULT_LIMITS.maxFrameBytes + 1 };
    expect(server.accept({ ...authenticate(request.raw), limits })).toMatchObject({
      ok: false,
      cause: 'limits',
    });
  });

  it('as the forge makes it, unchanged, is good', async () => {
    const { client, forge } = await beforeHostileAccept();
    expect(client.onAccept(forge({})).ok).toBe(true);
  });

  it.each([
    ['another Finished', { finished: new Uint8Array(32) }, 'finished'],
    ['a byte after its end', { trailing: Uint8Array.of(0) }, 'trailing_bytes'],
    ['a frame limit above 1 MiB', { limits: { maxFrameBytes: 2 ** 20 + 1 } }, 'limits'],
    ['a header limit above 2 KiB', { limits: { maxHeaderBytes: 2049 } }, 'limits'],
    ['frames of 257 messages', { limits: { maxMessagesPerFrame: 257 } }, 'limits'],
    ['frames of no messages', { limits: { maxMessagesPerFrame: 0 } }, 'limits'],
    ['513 unacknowledged messages', { limits: { maxUnacknowledged: 513 } }, 'limits'],
    ['longer epochs', { limits: { maxEpochMessages: 2 ** 20 + 1 } }, 'limits'],
    ['a wider time window', { limits: { freshnessMs: 30_001 } }, 'limits'],
    ['no time window', { limits: { freshnessMs: 0 } }, 'limits'],
  ] as const)('with %s', async (_name, change, cause) => {
    const { client, forge } = await beforeHostileAccept();
    expect(client.onAccept(forge(change))).toEqual({ ok: false, cause });
  });

  it.each([
    [
      'for another principal',
      { principal: 'user:mallory' },
      { expectedPrincipal: 'user:alice' },
      'binding_mismatch',
    ],
    ['that has run out', { notBeforeMs: NOW_MS - 2000, notAfterMs: NOW_MS - 1000 }, {}, 'binding_validity'],
    [
      'that is not valid yet',
      { notBeforeMs: NOW_MS + 60_000, notAfterMs: NOW_MS + 61_000 },
      {},
      'binding_validity',
    ],
    ['signed by another key', {}, { bindingKey: impostorKeys.publicKey }, 'binding_signature'],
  ] as const)('with a binding %s: our client refuses', async (_name, change, options, cause) => {
    const { client, server, request } = await untilAccept({ ...certificateClient, ...options });
    const accepted = ok(server.accept(authenticate(request.raw, change)));
    expect(client.onAccept(accepted.frame)).toEqual({ ok: false, cause });
  });

  it('of another handshake with the same client', async () => {
    const first = await untilAccept();
    const second = await untilAccept();
    const accepted = ok(second.server.accept(authenticate(second.request.raw)));
    expect(first.client.onAccept(accepted.frame)).toEqual({ ok: false, cause: 'wrong_session' });
  });

  it('before the client has spoken', () => {
    const client = new ClientHandshake(certificateClient);
    client.start();
    expect(client.onAccept(encodeAlert(undefined, 'busy'))).toEqual({ ok: false, cause: 'out_of_order' });
  });

  it('with any bit flipped', async () => {
    const { server, request } = await untilAccept();
    const { frame } = ok(server.accept(authenticate(request.raw)));
    for (let bit = 0; bit < frame.length * 8; bit += 97) {
      const { client } = await untilAccept();
      expect(client.onAccept(flipBit(frame, bit)).ok).toBe(false);
    }
  });

  it('as a refusal that somebody else made up', async () => {
    const { client } = await untilAccept();
    const other = await untilAccept();
    const reject = other.server.reject({ code: 'denied', retryAfterMs: 0, detail: '' });
    expect(client.onAccept(reject)).toMatchObject({ ok: false, cause: 'wrong_session' });
  });

  it('a sealed refusal is heard', async () => {
    const { client, server } = await untilAccept();
    const reject = server.reject({
      code: 'denied',
      retryAfterMs: 0,
      detail: 'user:alice may not open sessions',
    });
    expect(client.onAccept(reject)).toMatchObject({
      ok: false,
      cause: 'rejected',
      refusal: { code: 'denied', detail: 'user:alice may not open sessions' },
    });
  });
});

it('a client that requires channel binding does not start without an exporter', () => {
  const handshake = new ClientHandshake({ ...certificateClient, isChannelBindingRequired: true });
  expect(() => handshake.start()).toThrow('no TLS exporter');
});
