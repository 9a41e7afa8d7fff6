/** Handshakes of both methods, and every way in which one may not be accepted. */
import {
  createGatewayIdentity,
  credentialDigest,
  parseBinding,
  verifyBindingSignature,
  type RawHandshake,
} from '@sallyport/channel';
import { ED25519, randomBytes, secretKey, toHex } from '@sallyport/crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NewPsk } from '../src/app/create-psk.ts';
import type { PskStore } from '../src/app/ports.ts';
import { SELF } from '../src/domain/events.ts';
import { memoryStore } from '../src/store/memory.ts';
import {
  createAuthority,
  createLeaf,
  DAY,
  HOUR,
  KeyUsageFlags,
  NOW,
  spiffe,
  type Leaf,
  type LeafOptions,
} from './pki.ts';
import {
  certificateOf,
  createPki,
  flipBit,
  GATEWAY,
  gatewayOf,
  ok,
  pskOf,
  reasonOf,
  SESSION_LIFETIME_MS,
  shake,
  testApp,
  type Pki,
  type TestApp,
} from './support.ts';

let pki: Pki;
let app: TestApp;
beforeAll(async () => {
  pki = await createPki();
});
beforeEach(() => {
  app = testApp(pki.authority.pem);
});

const ADMIN = { kind: 'principal', id: 'user:admin' } as const;
const SOURCE = '192.0.2.7';
const judge = (raw: RawHandshake, gateway = GATEWAY, on = app) =>
  on.auth.authenticateHandshake({ raw, gateway, sourceAddress: SOURCE });
const prove = (raw: RawHandshake) => app.auth.provePsk(GATEWAY, raw);
const newPsk = (principal = 'workload:batch'): Promise<NewPsk> =>
  app.auth.createPsk(ADMIN, { principal, lifetimeDays: 0, label: '' });
const byCertificate = (leaf: Leaf = pki.alice) =>
  shake({ credential: certificateOf(leaf), gateway: pki.gateway });
const byPsk = (psk: NewPsk, client?: string) =>
  shake({ credential: pskOf(psk, client), gateway: pki.gateway, provePsk: prove });

/** Refused with one message, its precise cause known inside only, and nothing left behind. */
async function refusedFor(operation: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await operation.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toMatchObject({ reason: 'credential_invalid', message: 'the handshake is not accepted' });
  return app.causes.at(-1);
}

describe('a good handshake', () => {
  it.each([
    ['without channel binding', undefined],
    ['bound to TLS', randomBytes(32)],
  ])('by certificate, %s: is bound, stored and recorded', async (_, exporter) => {
    const { client, server, raw } = await shake({
      credential: certificateOf(pki.alice),
      gateway: pki.gateway,
      ...(exporter === undefined ? {} : { exporter }),
      client: { bindingKey: app.keys.publicKey, expectedPrincipal: 'user:alice' },
    });
    const answer = await judge(raw);
    expect(answer.pskExport).toHaveLength(0);
    expect(verifyBindingSignature(app.keys.publicKey, answer.binding, answer.bindingSignature)).toBe(true);
    const binding = ok(parseBinding(answer.binding));
    expect(binding).toMatchObject({
      sid: server.sid,
      tenant: 'default',
      principal: 'user:alice',
      method: 'certificate',
      assurance: 1,
      trustDomain: 'sallyport.test',
      notBeforeMs: NOW,
      notAfterMs: NOW + SESSION_LIFETIME_MS,
      credentialDigest: credentialDigest(pki.alice.chainDer[0] ?? raw.clientAuth),
    });
    expect(await app.store.sessions.find(binding.sid)).toMatchObject({
      principal: 'user:alice',
      gateway: GATEWAY,
      sourceAddress: SOURCE,
      ended: undefined,
    });
    expect(app.recorded).toMatchObject([
      { kind: 'session_opened', principal: 'user:alice', sessionId: toHex(binding.sid) },
    ]);
    expectAccepted(client, server, answer);
  });

  it('by pre-shared key: both ends derive the same keys', async () => {
    const psk = await newPsk();
    const { client, server, raw } = await shake({
      credential: pskOf(psk),
      gateway: pki.gateway,
      provePsk: prove,
      client: { bindingKey: app.keys.publicKey, expectedPrincipal: 'workload:batch' },
    });
    const answer = await judge(raw);
    expect(ok(parseBinding(answer.binding))).toMatchObject({
      method: 'psk',
      principal: 'workload:batch',
      credentialDigest: credentialDigest(psk.pskId),
    });
    expectAccepted(client, server, answer);
  });

  it.each([
    ['the certificate', NOW + HOUR, NOW + 30 * DAY],
    ['an intermediate', NOW + 30 * DAY, NOW + HOUR],
  ])('ends with %s', async (_, leafUntil, intermediateUntil) => {
    const middle = await createAuthority({ issuer: pki.authority, notAfter: intermediateUntil });
    const leaf = await createLeaf({
      issuer: middle,
      uris: [spiffe('device/door-7')],
      notAfter: leafUntil,
      above: [middle.der],
    });
    const { binding } = await judge((await byCertificate(leaf)).raw);
    expect(ok(parseBinding(binding))).toMatchObject({ principal: 'device:door-7', notAfterMs: NOW + HOUR });
  });

  it('ends with the pre-shared key', async () => {
    const psk = await app.auth.createPsk(ADMIN, { principal: 'workload:batch', lifetimeDays: 1, label: '' });
    app.clock.advance(DAY - HOUR);
    const { raw } = await shake({
      credential: pskOf(psk),
      gateway: await gatewayOf(pki.authority, { delegatedUntil: NOW + 2 * DAY }),
      provePsk: prove,
      gatewayNow: app.clock.now(),
    });
    expect(ok(parseBinding((await judge(raw)).binding)).notAfterMs).toBe(NOW + DAY);
  });

  it.each([1, 2, 3])('takes a chain with %i intermediates, the anchor sent along or not', async (count) => {
    let issuer = pki.authority;
    const above: Uint8Array[] = [];
    for (let at = 0; at < count; at += 1) {
      issuer = await createAuthority({ issuer });
      above.unshift(issuer.der);
    }
    const leaf = await createLeaf({ issuer, uris: [spiffe('user/alice')], above });
    expect((await judge((await byCertificate(leaf)).raw)).binding.length).toBeGreaterThan(0);
    if (count === 3) return;
    const chainDer = [...leaf.chainDer, pki.authority.der];
    expect((await judge((await byCertificate({ ...leaf, chainDer })).raw)).binding.length).toBeGreaterThan(0);
  });
});

function expectAccepted(
  client: Awaited<ReturnType<typeof shake>>['client'],
  server: Awaited<ReturnType<typeof shake>>['server'],
  answer: Awaited<ReturnType<typeof judge>>,
): void {
  const accepted = ok(
    server.accept({
      binding: { bytes: answer.binding, keyId: answer.bindingKeyId, signature: answer.bindingSignature },
      sessionKey: secretKey(randomBytes(32)),
      lease: { notAfterMs: NOW + HOUR },
      pskExport: answer.pskExport,
    }),
  );
  const { session } = ok(client.onAccept(accepted.frame));
  const payload = randomBytes(8);
  const message = {
    kind: 'request',
    correlation: randomBytes(16),
    destination: 'echo',
    contentType: 'text/plain',
    trace: '',
    payload,
  } as const;
  const opened = ok(accepted.session.openFrame(ok(session.sealFrame([message])).bytes));
  expect(opened.messages.map((each) => each.payload)).toEqual([payload]);
}

describe('a client certificate', () => {
  const leaf = (options: Partial<LeafOptions>) => async () =>
    createLeaf({ issuer: pki.authority, uris: [spiffe('user/alice')], ...options });
  const chained = (change: (chain: readonly Uint8Array[]) => readonly Uint8Array[]) => async () => ({
    ...pki.alice,
    chainDer: change(pki.alice.chainDer),
  });
  const first = (chain: readonly Uint8Array[]) => chain[0] ?? new Uint8Array(0);
  const below = async (
    authority: Parameters<typeof createAuthority>[0],
    options: Partial<LeafOptions> = {},
  ) => {
    const middle = await createAuthority({ issuer: pki.authority, ...authority });
    return createLeaf({ issuer: middle, uris: [spiffe('user/alice')], above: [middle.der], ...options });
  };

  const bad: readonly (readonly [string, () => Promise<Leaf>, string])[] = [
    ['for servers', leaf({ usages: ['server'] }), 'certificate_usage'],
    ['for nothing in particular', leaf({ usages: [] }), 'certificate_usage'],
    ['that is over', leaf({ notAfter: NOW - 1000 }), 'certificate_expired'],
    ['that begins later', leaf({ notBefore: NOW + 1000 }), 'certificate_not_yet_valid'],
    ['of an authority', leaf({ isCa: true }), 'certificate_is_ca'],
    ['without a name', leaf({ uris: [] }), 'certificate_name'],
    ['with a DNS name only', leaf({ uris: [], dns: ['alice'] }), 'certificate_name'],
    ['with two names', leaf({ uris: [spiffe('user/alice'), spiffe('user/bob')] }), 'certificate_name'],
    [
      'with a name and a URL',
      leaf({ uris: [spiffe('user/alice'), 'https://alice.test'] }),
      'certificate_name',
    ],
    ['with a URL', leaf({ uris: ['https://sallyport.test/user/alice'] }), 'certificate_name'],
    ['named as the trust domain', leaf({ uris: ['spiffe://sallyport.test'] }), 'certificate_name'],
    ['with a path below its name', leaf({ uris: [spiffe('user/alice/admin')] }), 'certificate_name'],
    [
      'of another trust domain',
      leaf({ uris: [spiffe('user/alice', 'other.test')] }),
      'certificate_trust_domain',
    ],
    ['of a service', leaf({ uris: [spiffe('svc/gateway')] }), 'certificate_kind'],
    ['of a service that is none', leaf({ uris: [spiffe('svc/alice')] }), 'certificate_kind'],
    ['signed by itself', leaf({ isSelfSigned: true }), 'certificate_untrusted'],
    [
      'of another authority',
      async () => createLeaf({ issuer: await createAuthority(), uris: [spiffe('user/alice')] }),
      'certificate_untrusted',
    ],
    [
      'of an authority with the name of ours',
      async () =>
        createLeaf({
          issuer: await createAuthority({ name: pki.authority.name }),
          uris: [spiffe('user/alice')],
        }),
      'certificate_untrusted',
    ],
    ['below an authority that is none', () => below({ isCa: false }), 'certificate_issuer'],
    ['below one that may not sign', () => below({ caUsage: KeyUsageFlags.cRLSign }), 'certificate_issuer'],
    ['below one that is over', () => below({ notAfter: NOW - 1000 }), 'certificate_expired'],
    ['without its intermediate', () => below({}, { above: [] }), 'certificate_untrusted'],
    [
      'below another certificate than the one sent',
      async () => below({}, { above: [(await createAuthority({ issuer: pki.authority })).der] }),
      'certificate_issuer',
    ],
    ['behind its issuer', chained((chain) => [pki.authority.der, ...chain]), 'certificate_issuer'],
    ['twice', chained((chain) => [...chain, ...chain]), 'certificate_issuer'],
    ['of an anchor alone', chained(() => [pki.authority.der]), 'certificate_is_ca'],
    [
      'with a byte behind it',
      chained((chain) => [Uint8Array.of(...first(chain), 0)]),
      'certificate_unreadable',
    ],
    ['that is noise', chained(() => [randomBytes(500)]), 'certificate_unreadable'],
    [
      'as PEM',
      chained((chain) => [
        Buffer.from(
          `-----BEGIN CERTIFICATE-----\n${Buffer.from(first(chain)).toString('base64')}\n-----END CERTIFICATE-----\n`,
        ),
      ]),
      'certificate_unreadable',
    ],
  ];

  it.each(bad)('%s is refused', async (_, make, cause) => {
    expect(await refusedFor(judge((await byCertificate(await make())).raw))).toBe(cause);
    expect(app.recorded).toEqual([]);
    expect(app.keys.calls).toEqual([]);
  });

  it('whose key did not sign is refused', async () => {
    const other = ED25519.generate().privateKey;
    expect(await refusedFor(judge((await byCertificate({ ...pki.alice, key: other })).raw))).toBe(
      'credential_signature',
    );
  });
});

describe('a gateway', () => {
  const shaken = (gateway: Awaited<ReturnType<typeof gatewayOf>>, gatewayNow = NOW) =>
    shake({ credential: certificateOf(pki.alice), gateway, gatewayNow });

  const bad: readonly (readonly [string, () => ReturnType<typeof gatewayOf>, string])[] = [
    ['of another authority', async () => gatewayOf(await createAuthority()), 'gateway_certificate_untrusted'],
    [
      'that is a principal',
      () => gatewayOf(pki.authority, { uris: [spiffe('user/alice')] }),
      'gateway_certificate_kind',
    ],
    [
      'that is another service',
      () => gatewayOf(pki.authority, { uris: [spiffe('svc/audit-service')] }),
      'gateway_other',
    ],
    [
      'of another trust domain',
      () => gatewayOf(pki.authority, { uris: [spiffe('svc/gateway', 'other.test')] }),
      'gateway_certificate_trust_domain',
    ],
    [
      'with a certificate for clients',
      () => gatewayOf(pki.authority, { usages: ['client'] }),
      'gateway_certificate_usage',
    ],
    [
      'with a certificate that is over',
      () => gatewayOf(pki.authority, { notAfter: NOW - 1000 }),
      'gateway_certificate_expired',
    ],
    [
      'whose certificate did not vouch for its key',
      async () =>
        createGatewayIdentity({
          chainDer: pki.gateway.chainDer,
          trustDomain: 'sallyport.test',
          certificateKey: ED25519.generate().privateKey,
          notAfterMs: NOW + DAY,
        }),
      'gateway_delegation',
    ],
  ];

  it.each(bad)('%s gets nothing', async (_, make, cause) => {
    const gateway = await make();
    // The client of these tests believes any gateway that holds its key; one whose delegation is forged it does not.
    if (cause !== 'gateway_delegation') {
      expect(await refusedFor(judge((await shaken(gateway)).raw))).toBe(cause);
    }
    const psk = await newPsk();
    app.keys.calls.length = 0;
    const refused = shake({ credential: pskOf(psk), gateway, provePsk: prove });
    expect(await refusedFor(refused)).toBe(cause);
    expect(app.keys.calls).toEqual([]);
  });

  it('whose delegation is over gets nothing', async () => {
    const gateway = await gatewayOf(pki.authority, { delegatedUntil: NOW });
    const { raw } = await shaken(gateway);
    app.clock.advance(1000);
    expect(await refusedFor(judge(raw))).toBe('gateway_delegation');
  });

  it('that calls with the handshake of another gets nothing', async () => {
    const { raw } = await byCertificate();
    expect(await refusedFor(judge(raw, spiffe('svc/key-service')))).toBe('gateway_other');
  });

  it.each([
    ['long ago', -30_001],
    ['in the future', 30_001],
  ])('whose handshake was %s gets nothing', async (_, offset) => {
    expect(await refusedFor(judge((await shaken(pki.gateway, NOW + offset)).raw))).toBe('hello_time');
    expect(
      await refusedFor(
        shake({
          credential: pskOf(await newPsk()),
          gateway: pki.gateway,
          provePsk: prove,
          gatewayNow: NOW + offset,
        }),
      ),
    ).toBe('hello_time');
  });

  it('may have a clock that is a little off', async () => {
    expect((await judge((await shaken(pki.gateway, NOW - 30_000)).raw)).binding.length).toBeGreaterThan(0);
  });
});

describe('a handshake shown twice', () => {
  it('opens one session', async () => {
    const { raw } = await byCertificate();
    await judge(raw);
    expect(await refusedFor(judge(raw))).toBe('session_reused');
    expect(app.recorded).toHaveLength(1);
  });

  it('opens one session when both come at once', async () => {
    const { raw } = await byCertificate();
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => judge(raw)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(app.causes).toEqual(Array.from({ length: 4 }, () => 'session_reused'));
  });

  it('opens none after the session ended', async () => {
    const { raw, server } = await byCertificate();
    await judge(raw);
    await app.auth.closeSession(SELF, server.sid ?? raw.clientAuth, '');
    expect(await refusedFor(judge(raw))).toBe('session_reused');
  });
});

const PARTS = ['clientHello', 'serverHello', 'serverAuth', 'clientAuth', 'channelBinding'] as const;

describe('a transcript', () => {
  it.each(['certificate', 'psk'] as const)(
    'with any byte changed is refused: %s',
    async (method) => {
      const exporter = randomBytes(32);
      const { raw } = await shake({
        credential: method === 'psk' ? pskOf(await newPsk()) : certificateOf(pki.alice),
        gateway: pki.gateway,
        provePsk: prove,
        exporter,
      });
      // The sealed part of ServerHello is there twice: opened, which is judged, and as it was on the wire, which is not.
      const judged = raw.serverHello.length - raw.serverAuth.length - 16;
      // mac_s, fin_s and fin_c are the gateway's and the client's word to each other. They are in the transcript of what
      // follows; nothing follows fin_c but the binding, which the client refuses then.
      const finished = raw.clientAuth.length - 32;
      for (const part of PARTS) {
        const bytes = raw[part];
        const end = part === 'serverHello' ? judged : part === 'clientAuth' ? finished : bytes.length;
        for (let at = 0; at < end; at += 1) {
          const changed = { ...raw, [part]: flipBit(bytes, at * 8 + (at % 8)) };
          const reason = await judge(changed).then(
            () => 'accepted',
            (error: unknown) => (error as { reason?: string }).reason,
          );
          expect(reason, `${part} byte ${at}`).toBe('credential_invalid');
        }
      }
      expect(app.recorded.filter(({ kind }) => kind === 'session_opened')).toEqual([]);
      await judge(raw);
    },
    120_000,
  );

  it.each(PARTS)('cut short or with a byte too many is refused: %s', async (part) => {
    const { raw } = await shake({
      credential: certificateOf(pki.alice),
      gateway: pki.gateway,
      exporter: randomBytes(32),
    });
    for (const bytes of [raw[part].subarray(0, -1), Uint8Array.of(...raw[part], 0), new Uint8Array(0)]) {
      expect(await reasonOf(judge({ ...raw, [part]: bytes }))).toBe('credential_invalid');
    }
  });

  it.each(PARTS)('that is too large is refused unread: %s', async (part) => {
    const { raw } = await byCertificate();
    expect(await refusedFor(judge({ ...raw, [part]: new Uint8Array(16_385) }))).toBe('oversized');
    expect(await refusedFor(prove({ ...raw, [part]: new Uint8Array(16_385) }))).toBe('oversized');
  });

  it.each([2, 255, 0xffff_ffff])('with channel-binding type %i is refused', async (channelBindingType) => {
    const { raw } = await byCertificate();
    expect(await refusedFor(judge({ ...raw, channelBindingType }))).toBe('channel_binding_refused');
  });

  it('of noise is refused', async () => {
    for (let length = 0; length < 400; length += 7) {
      const noise = () => randomBytes(length);
      const raw = {
        clientHello: noise(),
        serverHello: noise(),
        channelBindingType: 0,
        channelBinding: noise(),
        serverAuth: noise(),
        clientAuth: noise(),
      };
      expect(await reasonOf(judge(raw))).toBe('credential_invalid');
      expect(await reasonOf(prove(raw))).toBe('credential_invalid');
    }
  });

  it('of certificate mode gets no proof', async () => {
    const { raw } = await byCertificate();
    expect(await reasonOf(prove(raw))).toBe('credential_invalid');
  });

  it('is not a way to a proof of the client: what is asked for a second time is the same', async () => {
    const psk = await newPsk();
    const asked: RawHandshake[] = [];
    await shake({
      credential: pskOf(psk),
      gateway: pki.gateway,
      provePsk: (raw) => {
        asked.push(raw);
        return prove(raw);
      },
    });
    const [request] = asked;
    if (request === undefined) throw new Error('not asked');
    const { raw } = await byPsk(psk);
    const proof = await prove(request);
    expect(proof).toEqual(await prove(request));
    expect(Buffer.from(raw.clientAuth).includes(Buffer.from(proof))).toBe(false);
    expect(await reasonOf(prove({ ...request, clientAuth: raw.clientAuth }))).toBe('credential_invalid');
  });
});

describe('a pre-shared key', () => {
  it.each([
    ['unknown', async (psk: NewPsk) => ({ ...psk, pskId: randomBytes(16) }), 'psk_unknown'],
    [
      'revoked',
      async (psk: NewPsk) => {
        await app.auth.revokePsk(ADMIN, psk.pskId);
        return psk;
      },
      'psk_revoked',
    ],
    [
      'over',
      async (psk: NewPsk) => {
        app.clock.advance(91 * DAY);
        return psk;
      },
      'psk_expired',
    ],
  ])('that is %s gets a decoy proof, which its client does not believe', async (_, spoil, cause) => {
    const psk = await spoil(await newPsk());
    const now = app.clock.now();
    const gateway = await gatewayOf(pki.authority, { notAfter: now + DAY, delegatedUntil: now + DAY });
    await expect(
      shake({ credential: pskOf(psk), gateway, provePsk: prove, gatewayNow: now }),
    ).rejects.toThrow('psk_proof');
    expect(app.causes).toEqual([]);
    // A client that goes on all the same is refused, for its key.
    expect(await refusedFor(judge(await believingClient(psk, gateway, now)))).toBe(cause);
  });

  it("with another client's bytes is refused", async () => {
    const [mine, other] = [await newPsk(), await newPsk('workload:other')];
    const raw = await believingClient({ ...mine, psk: other.psk }, pki.gateway, NOW);
    expect(await refusedFor(judge(raw))).toBe('psk_proof');
  });

  it('of one principal does not work under the name of another', async () => {
    const psk = await newPsk('workload:batch');
    await expect(byPsk(psk, 'user:admin')).rejects.toThrow('psk_proof');
  });

  it('of another trust domain is not used', async () => {
    const psk = await newPsk();
    const there = testApp(pki.authority.pem, {
      store: app.store,
      keys: app.keys,
      trustDomain: 'other.test',
    });
    const gateway = await gatewayOf(pki.authority, { uris: [spiffe('svc/gateway', 'other.test')] });
    const asked: RawHandshake[] = [];
    await expect(
      shake({
        credential: pskOf(psk),
        gateway,
        provePsk: (raw) => {
          asked.push(raw);
          return there.auth.provePsk(spiffe('svc/gateway', 'other.test'), raw);
        },
      }),
    ).rejects.toThrow('psk_proof');
    expect(asked).toHaveLength(1);
  });

  it('revoked between proof and answer opens nothing, also when it is in the cache', async () => {
    const psk = await newPsk();
    const { raw } = await byPsk(psk);
    await app.auth.revokePsk(ADMIN, psk.pskId);
    expect(await refusedFor(judge(raw))).toBe('psk_revoked');
  });

  it('revoked while its handshake is judged opens nothing', async () => {
    const psk = await newPsk();
    const { raw } = await byPsk(psk);
    const { signBinding } = app.keys;
    Object.assign(app.keys, {
      signBinding: async (message: Uint8Array) => {
        await app.auth.revokePsk(ADMIN, psk.pskId);
        return signBinding(message);
      },
    });
    expect(await refusedFor(judge(raw))).toBe('psk_revoked');
    expect(app.recorded.map(({ kind }) => kind)).toEqual(['psk_created', 'psk_revoked']);
  });
});

/** ClientAuth of a client that believes the gateway whatever its proof: it has the decoy's key for mac_s, its own for mac_c. */
async function believingClient(
  psk: { readonly pskId: Uint8Array; readonly psk: Uint8Array },
  gateway: Pki['gateway'],
  now: number,
): Promise<RawHandshake> {
  const credential = pskOf(psk);
  if (credential.method !== 'psk') throw new Error('not a key');
  const { pskServerProof, readPskProofRequest } = await import('@sallyport/channel');
  const { raw } = await shake({
    credential,
    gateway,
    gatewayNow: now,
    // A hostile gateway that knows the client's key stands in for the client's belief.
    provePsk: async (request) =>
      pskServerProof(credential.pskKey, ok(readPskProofRequest(request)).hashes.serverMac),
  });
  return raw;
}

describe('known and unknown ids', () => {
  /** What happens for an id: reads of the store and calls of key-service, in order. */
  async function stepsOf(psk: NewPsk): Promise<readonly string[]> {
    const steps: string[] = [];
    const { find } = app.store.psks;
    const watched: PskStore = {
      ...app.store.psks,
      find: async (pskId) => {
        steps.push('find');
        return find(pskId);
      },
    };
    const fresh = testApp(pki.authority.pem, { store: app.store, keys: app.keys, psks: watched });
    app.keys.calls.length = 0;
    for (let round = 0; round < 2; round += 1) {
      await shake({
        credential: pskOf(psk),
        gateway: pki.gateway,
        provePsk: async (raw) => {
          const proof = await fresh.auth.provePsk(GATEWAY, raw);
          expect(proof).toHaveLength(32);
          return proof;
        },
      }).catch(() => undefined);
      steps.push(...app.keys.calls.splice(0), '|');
    }
    return steps;
  }

  it('take the same steps, whatever is wrong with them', async () => {
    await app.auth.prepareDecoys();
    const known = await newPsk();
    const revoked = await newPsk('workload:other');
    await app.auth.revokePsk(ADMIN, revoked.pskId);
    const expected = ['find', 'decrypt', '|', 'find', '|'];
    expect(await stepsOf(known)).toEqual(expected);
    expect(await stepsOf({ ...known, pskId: randomBytes(16) })).toEqual(expected);
    expect(await stepsOf(revoked)).toEqual(expected);
  });

  it('have the same proof again and again, also from another replica', async () => {
    const pskId = randomBytes(16);
    const asked: RawHandshake[] = [];
    await shake({
      credential: pskOf({ pskId, psk: randomBytes(32) }),
      gateway: pki.gateway,
      provePsk: (raw) => {
        asked.push(raw);
        return prove(raw);
      },
    }).catch(() => undefined);
    const [raw] = asked;
    if (raw === undefined) throw new Error('not asked');
    const replica = testApp(pki.authority.pem, { store: app.store, keys: app.keys });
    expect(await replica.auth.provePsk(GATEWAY, raw)).toEqual(await prove(raw));
    const elsewhere = testApp(pki.authority.pem, { store: memoryStore() });
    expect(await elsewhere.auth.provePsk(GATEWAY, raw)).not.toEqual(await prove(raw));
  });

  it('wait alike while key-service is away', async () => {
    const known = await newPsk();
    await app.auth.prepareDecoys();
    app.keys.isAway = true;
    for (const psk of [known, { ...known, pskId: randomBytes(16) }]) {
      expect(await reasonOf(byPsk(psk))).toBe('unavailable');
    }
  });
});

describe('when something is down', () => {
  it('key-service: retryable, and the same handshake is good later', async () => {
    const { raw } = await byCertificate();
    app.keys.isAway = true;
    await expect(judge(raw)).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
    app.keys.isAway = false;
    await judge(raw);
    expect(app.causes).toEqual([]);
  });

  it('a full spool: refused before anything is looked at', async () => {
    const { raw } = await byCertificate();
    app.faults.spoolFull = true;
    expect(await reasonOf(judge(raw))).toBe('spool_full');
    expect(app.keys.calls).toEqual([]);
    expect(await reasonOf(newPsk())).toBe('spool_full');
  });

  it('a spool that fails at the last moment: no answer, no open session, and both are told later', async () => {
    const { raw, server } = await byCertificate();
    app.faults.spoolFails = true;
    expect(await reasonOf(judge(raw))).toBe('unavailable');
    expect(await app.store.sessions.find(server.sid ?? raw.clientAuth)).toMatchObject({
      ended: { how: 'closed', cause: 'not_recorded' },
    });
    app.faults.spoolFails = false;
    await app.auth.tell();
    expect(app.recorded.map(({ kind }) => kind)).toEqual(['session_opened', 'session_ended']);
  });
});

describe('failed attempts', () => {
  it('are counted by source and cause, and recorded without a name', async () => {
    const { raw } = await byCertificate(
      await createLeaf({ issuer: pki.authority, uris: [spiffe('svc/gateway')] }),
    );
    for (let at = 0; at < 500; at += 1) await refusedFor(judge(raw));
    app.clock.advance(60_000);
    await app.auth.flushFailures();
    expect(app.failures).toEqual([
      { source: SOURCE, cause: 'certificate_kind', count: 500, fromMs: NOW, toMs: NOW + 60_000 },
    ]);
    expect(app.recorded).toEqual([]);
  });

  it('after a proof that nobody answered are counted too', async () => {
    const psk = await newPsk();
    await judge((await byPsk(psk)).raw);
    await byPsk(psk);
    await byPsk(psk);
    app.auth.sweepProofs();
    expect(app.causes).toEqual([]);
    app.clock.advance(10_000);
    app.auth.sweepProofs();
    expect(app.causes).toEqual(['abandoned_after_proof', 'abandoned_after_proof']);
  });
});
