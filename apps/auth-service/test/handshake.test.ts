/** Handshakes that are accepted, shown twice, changed, or met by something that is down. */
import {
  credentialDigest,
  parseBinding,
  verifyBindingSignature,
  type RawHandshake,
} from '@sallyport/channel';
import { randomBytes, secretKey, toHex } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import { SELF } from '../src/domain/events.ts';
import { createAuthority, createLeaf, DAY, HOUR, NOW, spiffe } from './pki.ts';
import { ADMIN, SOURCE, useRig } from './rig.ts';
import {
  certificateOf,
  flipBit,
  GATEWAY,
  gatewayOf,
  ok,
  pskOf,
  reasonOf,
  SESSION_LIFETIME_MS,
  shake,
} from './support.ts';

const rig = useRig();
const { judge, prove, newPsk, byCertificate, byPsk, refusedFor } = rig;

describe('a good handshake', () => {
  it.each([
    ['without channel binding', undefined],
    ['bound to TLS', randomBytes(32)],
  ])('by certificate, %s: is bound, stored and recorded', async (_, exporter) => {
    const { client, server, raw } = await shake({
      credential: certificateOf(rig.pki.alice),
      gateway: rig.pki.gateway,
      ...(exporter === undefined ? {} : { exporter }),
      client: { bindingKey: rig.app.keys.publicKey, expectedPrincipal: 'user:alice' },
    });
    const answer = await judge(raw);
    expect(answer.pskExport).toHaveLength(0);
    expect(verifyBindingSignature(rig.app.keys.publicKey, answer.binding, answer.bindingSignature)).toBe(
      true,
    );
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
      credentialDigest: credentialDigest(rig.pki.alice.chainDer[0] ?? raw.clientAuth),
    });
    expect(await rig.app.store.sessions.find(binding.sid)).toMatchObject({
      principal: 'user:alice',
      gateway: GATEWAY,
      sourceAddress: SOURCE,
      ended: undefined,
    });
    expect(rig.app.recorded).toMatchObject([
      { kind: 'session_opened', principal: 'user:alice', sessionId: toHex(binding.sid) },
    ]);
    expectAccepted(client, server, answer);
  });

  it('by pre-shared key: both ends derive the same keys', async () => {
    const psk = await newPsk();
    const { client, server, raw } = await shake({
      credential: pskOf(psk),
      gateway: rig.pki.gateway,
      provePsk: prove,
      client: { bindingKey: rig.app.keys.publicKey, expectedPrincipal: 'workload:batch' },
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
    const middle = await createAuthority({ issuer: rig.pki.authority, notAfter: intermediateUntil });
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
    const psk = await rig.app.auth.createPsk(ADMIN, {
      principal: 'workload:batch',
      lifetimeDays: 1,
      label: '',
    });
    rig.app.clock.advance(DAY - HOUR);
    const { raw } = await shake({
      credential: pskOf(psk),
      gateway: await gatewayOf(rig.pki.authority, { delegatedUntil: NOW + 2 * DAY }),
      provePsk: prove,
      gatewayNow: rig.app.clock.now(),
    });
    expect(ok(parseBinding((await judge(raw)).binding)).notAfterMs).toBe(NOW + DAY);
  });

  it.each([1, 2, 3])('takes a chain with %i intermediates, the anchor sent along or not', async (count) => {
    let issuer = rig.pki.authority;
    const above: Uint8Array[] = [];
    for (let at = 0; at < count; at += 1) {
      issuer = await createAuthority({ issuer });
      above.unshift(issuer.der);
    }
    const leaf = await createLeaf({ issuer, uris: [spiffe('user/alice')], above });
    expect((await judge((await byCertificate(leaf)).raw)).binding.length).toBeGreaterThan(0);
    if (count === 3) return;
    const chainDer = [...leaf.chainDer, rig.pki.authority.der];
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

describe('a handshake shown twice', () => {
  it('opens one session', async () => {
    const { raw } = await byCertificate();
    await judge(raw);
    expect(await refusedFor(judge(raw))).toBe('session_reused');
    expect(rig.app.recorded).toHaveLength(1);
  });

  it('opens one session when both come at once', async () => {
    const { raw } = await byCertificate();
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => judge(raw)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(rig.app.causes).toEqual(Array.from({ length: 4 }, () => 'session_reused'));
  });

  it('opens none after the session ended', async () => {
    const { raw, server } = await byCertificate();
    await judge(raw);
    await rig.app.auth.closeSession(SELF, server.sid ?? raw.clientAuth, '');
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
        credential: method === 'psk' ? pskOf(await newPsk()) : certificateOf(rig.pki.alice),
        gateway: rig.pki.gateway,
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
        // Every byte, but of the long parts, which are mostly key shares and certificates, every third.
        for (let at = 0; at < end; at += end > 600 ? 3 : 1) {
          const changed = { ...raw, [part]: flipBit(bytes, at * 8 + (at % 8)) };
          const reason = await judge(changed).then(
            () => 'accepted',
            (error: unknown) => (error as { reason?: string }).reason,
          );
          expect(reason, `${part} byte ${at}`).toBe('credential_invalid');
        }
      }
      expect(rig.app.recorded.filter(({ kind }) => kind === 'session_opened')).toEqual([]);
      await judge(raw);
    },
    120_000,
  );

  it.each(PARTS)('cut short or with a byte too many is refused: %s', async (part) => {
    const { raw } = await shake({
      credential: certificateOf(rig.pki.alice),
      gateway: rig.pki.gateway,
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
      gateway: rig.pki.gateway,
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

describe('when something is down', () => {
  it('key-service: retryable, and the same handshake is good later', async () => {
    const { raw } = await byCertificate();
    rig.app.keys.isAway = true;
    await expect(judge(raw)).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
    rig.app.keys.isAway = false;
    await judge(raw);
    expect(rig.app.causes).toEqual([]);
  });

  it('a full spool: refused before anything is looked at', async () => {
    const { raw } = await byCertificate();
    rig.app.faults.spoolFull = true;
    expect(await reasonOf(judge(raw))).toBe('spool_full');
    expect(rig.app.keys.calls).toEqual([]);
    expect(await reasonOf(newPsk())).toBe('spool_full');
  });

  it('a spool that fails at the last moment: no answer, no open session, and both are told later', async () => {
    const { raw, server } = await byCertificate();
    rig.app.faults.spoolFails = true;
    expect(await reasonOf(judge(raw))).toBe('unavailable');
    expect(await rig.app.store.sessions.find(server.sid ?? raw.clientAuth)).toMatchObject({
      ended: { how: 'closed', cause: 'not_recorded' },
    });
    rig.app.faults.spoolFails = false;
    await rig.app.auth.tell();
    expect(rig.app.recorded.map(({ kind }) => kind)).toEqual(['session_opened', 'session_ended']);
  });
});

describe('failed attempts', () => {
  it('are counted by source and cause, and recorded without a name', async () => {
    const { raw } = await byCertificate(
      await createLeaf({ issuer: rig.pki.authority, uris: [spiffe('svc/gateway')] }),
    );
    for (let at = 0; at < 500; at += 1) await refusedFor(judge(raw));
    rig.app.clock.advance(60_000);
    await rig.app.auth.flushFailures();
    expect(rig.app.failures).toEqual([
      { source: SOURCE, cause: 'certificate_kind', count: 500, fromMs: NOW, toMs: NOW + 60_000 },
    ]);
    expect(rig.app.recorded).toEqual([]);
  });

  it('after a proof that nobody answered are counted too', async () => {
    const psk = await newPsk();
    await judge((await byPsk(psk)).raw);
    await byPsk(psk);
    await byPsk(psk);
    rig.app.auth.sweepProofs();
    expect(rig.app.causes).toEqual([]);
    rig.app.clock.advance(10_000);
    rig.app.auth.sweepProofs();
    expect(rig.app.causes).toEqual(['abandoned_after_proof', 'abandoned_after_proof']);
  });
});
