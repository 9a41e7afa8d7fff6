/** A resume by those who may not: nobody is attached, nothing of the session is learnt, no check is missing. */
import { concatBytes, ED25519, randomBytes, secretKey, toHex, X25519MLKEM768 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  controlMessage,
  createGatewayIdentity,
  encodeAlert,
  encodeResumptionRecord,
  parseResumptionRecord,
  readResumeHello,
  type ClientResumeOptions,
  type HandshakeCause,
  type OutgoingMessage,
  type ResumptionRecord,
  type ServerResumeOptions,
} from '../src/index.ts';
import { parseResumeAnswerClear, parseResumeAnswerSealed } from '../src/resume-answer.ts';
import { encodeBinders, encodeResumeHelloStart, parseResumeHello } from '../src/resume-hello.ts';
import { lp16 } from '../src/wire.ts';
import {
  answered,
  clientResume,
  grant,
  leakingKex,
  openSession,
  otherIdentity,
  request,
  resealAnswer,
  resume,
  serverResume,
} from './resume-world.ts';
import { fakeCertificate, flipBit, keysOf, NOW_MS, ok, TRUST_DOMAIN } from './world.ts';

const opened = await openSession();
const { record } = opened;
const exporter = new Uint8Array(32).fill(0xee);
const impostor = keysOf(66);

describe('a ResumeHello is refused by the gateway', () => {
  const rows: readonly (readonly [
    string,
    Partial<ResumptionRecord>,
    Partial<ClientResumeOptions>,
    Partial<ServerResumeOptions>,
    HandshakeCause,
  ])[] = [
    ['under another RS', { secret: secretKey(randomBytes(32)) }, {}, {}, 'binder'],
    ['for another session', { sid: randomBytes(16) }, {}, {}, 'wrong_session'],
    [
      'after the end of its binding',
      {},
      {},
      { clock: () => record.binding.notAfterMs + 1 },
      'binding_validity',
    ],
    [
      'by a gateway of another trust domain',
      {},
      {},
      { identity: { ...otherIdentity, trustDomain: 'elsewhere.test' } },
      'binding_mismatch',
    ],
    [
      'that is not bound, where that is required',
      {},
      {},
      { isChannelBindingRequired: true, exporter },
      'channel_binding_refused',
    ],
    [
      'that offers none beside, where the carrier gives nothing to bind to',
      {},
      { exporter },
      { isChannelBindingRequired: true },
      'channel_binding_refused',
    ],
    [
      'that insists on a binding the gateway has not',
      {},
      { exporter, isChannelBindingRequired: true },
      {},
      'channel_binding_refused',
    ],
    [
      'whose key exchange is not admitted any more',
      {},
      {},
      { suites: { kex: [X25519MLKEM768], aead: [record.suite.aead], signature: [ED25519] } },
      'no_common_suite',
    ],
    [
      'whose key exchange is not the session’s',
      { suite: { ...record.suite, kex: X25519MLKEM768 } },
      {},
      {},
      'no_common_suite',
    ],
    [
      'that has received more than there can be',
      {},
      { receivedThrough: record.limits.maxEpochMessages + 1 },
      {},
      'received_through',
    ],
    ['at the last epoch of all', { epoch: 0xffff_ffff }, {}, {}, 'epoch_mismatch'],
    [
      'by one with another signing key',
      { binding: { ...record.binding, clientPublicKey: ED25519.rawPublicKey(impostor.publicKey) } },
      {},
      {},
      'client_key',
    ],
  ];
  it.each(rows)('%s', async (_name, changed, client, server, cause) => {
    const { client: session, record: own } = await openSession();
    const hello = clientResume(session, client).start();
    const result = serverResume({ ...own, ...changed }, server).onResumeHello(hello);
    expect(result).toMatchObject({ ok: false, cause });
  });

  it.each(['binder', 'client_key'] as const)('and hears %s only as invalid_message', async (cause) => {
    const { client, record: own } = await openSession();
    const hello = clientResume(client).start();
    const changed =
      cause === 'binder'
        ? { secret: secretKey(randomBytes(32)) }
        : { binding: { ...own.binding, clientPublicKey: ED25519.rawPublicKey(impostor.publicKey) } };
    const result = serverResume({ ...own, ...changed }).onResumeHello(hello);
    expect(result).toEqual({ ok: false, cause, alert: encodeAlert(own.sid, 'invalid_message') });
  });

  it('with any bit flipped', async () => {
    const { client, record: own } = await openSession();
    const hello = clientResume(client).start();
    for (let bit = 0; bit < hello.length * 8; bit += 1) {
      expect(serverResume(own).onResumeHello(flipBit(hello, bit)).ok, `bit ${bit}`).toBe(false);
    }
  });

  it('cut anywhere, and a byte longer', async () => {
    const { client, record: own } = await openSession();
    const hello = clientResume(client).start();
    for (let length = 0; length < hello.length; length += 1)
      expect(serverResume(own).onResumeHello(hello.subarray(0, length)).ok).toBe(false);
    expect(serverResume(own).onResumeHello(concatBytes(hello, Uint8Array.of(0))).ok).toBe(false);
  });

  it('once: the second on the same object is out of order, and the first is dead by it', async () => {
    const { client, record: own } = await openSession();
    const hello = clientResume(client).start();
    const server = serverResume(own);
    ok(server.onResumeHello(hello));
    expect(server.onResumeHello(hello)).toMatchObject({ ok: false, cause: 'out_of_order' });
    expect(server.answer(grant)).toMatchObject({ ok: false, cause: 'out_of_order' });
  });

  it('with a share that agrees on nothing', async () => {
    const { client, record: own } = await openSession();
    const zero = { ...own.suite.kex, offer: () => ({ share: new Uint8Array(32), finish: () => undefined }) };
    const hostile = client.resumed({
      keys: { c2s: own.secret, s2c: own.secret, resumption: own.secret },
      start: { epoch: 0, lastSent: 0, receivedByPeer: 0, received: 0, unconfirmed: [] },
      peerKey: client.peerKey,
      lease: own.lease,
      clock: () => NOW_MS,
      random: undefined,
    });
    Object.assign(hostile, { suite: { ...own.suite, kex: zero } });
    const server = serverResume(own);
    ok(server.onResumeHello(clientResume(hostile).start()));
    expect(server.answer(grant)).toMatchObject({ ok: false, cause: 'bad_share' });
  });
});

describe('a ResumeHello that was recorded and comes again', () => {
  it('gets an answer that only its client could use, and the recorded first frame attaches nobody', async () => {
    const { client, record: own } = await openSession();
    const { hello, server, resumed } = await answered(client, own);
    const first = ok(resumed.session.sealFrame([resumed.finished, request])).bytes;
    // The store was not written yet, as on a replica that has not heard of the attach.
    const replayed = serverResume(own);
    ok(replayed.onResumeHello(hello));
    ok(replayed.answer(grant));
    expect(replayed.onFirstFrame(first)).toMatchObject({ ok: false, cause: 'decryption_failed' });
    expect(server.onFirstFrame(first).ok).toBe(true);
  });

  it('is under an RS that is over once its client was attached', async () => {
    const { client, record: own } = await openSession();
    const hello = clientResume(client).start();
    const next = await resume(client, own);
    expect(serverResume(next.record).onResumeHello(hello)).toMatchObject({ ok: false, cause: 'binder' });
  });

  it('does not open what a later one sealed, even to who stole the RS that it used', async () => {
    const { client, record: own } = await openSession();
    const thief = serverResume(own);
    const { hello, answer, resumed } = await answered(client, own);
    ok(thief.onResumeHello(hello));
    const again = ok(thief.answer(grant)).frame;
    expect(toHex(again.subarray(18, 52))).not.toBe(toHex(answer.subarray(18, 52)));
    const frame = ok(resumed.session.sealFrame([resumed.finished, request])).bytes;
    expect(thief.onFirstFrame(frame)).toMatchObject({ ok: false, cause: 'decryption_failed' });
  });
});

describe('an answer is refused by the client', () => {
  const identityWith = (change: Partial<Parameters<typeof createGatewayIdentity>[0]>) =>
    createGatewayIdentity({
      chainDer: otherIdentity.chainDer,
      trustDomain: TRUST_DOMAIN,
      certificateKey: keysOf(31).privateKey,
      notAfterMs: NOW_MS + 1000,
      ...change,
    });
  const otherName = fakeCertificate(`spiffe://${TRUST_DOMAIN}/svc/auth-service`, keysOf(31));
  const rows: readonly (readonly [
    string,
    Partial<ServerResumeOptions>,
    Partial<ClientResumeOptions>,
    HandshakeCause,
  ])[] = [
    ['with a chain that is not trusted', {}, { verifyGatewayChain: () => undefined }, 'gateway_certificate'],
    [
      'with a chain whose check breaks down',
      {},
      { verifyGatewayChain: () => Promise.reject(new Error('parse error')) },
      'gateway_certificate',
    ],
    ['of another service', { identity: identityWith({ chainDer: [otherName] }) }, {}, 'gateway_name'],
    [
      'of a stolen certificate without its key',
      { identity: identityWith({ certificateKey: impostor.privateKey }) },
      {},
      'gateway_delegation',
    ],
    [
      'with a delegation that ran out',
      { identity: identityWith({ notAfterMs: NOW_MS - 1 }), clock: () => NOW_MS - 10_000 },
      {},
      'gateway_delegation',
    ],
    [
      'by a key that it does not hold',
      {
        identity: {
          ...otherIdentity,
          signing: { ...otherIdentity.signing, privateKey: impostor.privateKey },
        },
      },
      {},
      'gateway_signature',
    ],
    [
      'bound to another TLS connection',
      { exporter: new Uint8Array(32) },
      { exporter, isChannelBindingRequired: true },
      'sealed_part',
    ],
  ];
  it.each(rows)('%s', async (_name, server, client, cause) => {
    const session = await openSession();
    const resuming = clientResume(session.client, client);
    const gateway = serverResume(session.record, server);
    ok(gateway.onResumeHello(resuming.start()));
    const answer = ok(gateway.answer(grant)).frame;
    expect(await resuming.onResumeAnswer(answer)).toEqual({ ok: false, cause });
    expect(await resuming.onResumeAnswer(answer)).toEqual({ ok: false, cause: 'out_of_order' });
  });

  async function withAnswer() {
    const { kex, secret } = leakingKex();
    const session = await openSession(kex);
    const resuming = clientResume(session.client);
    const hello = resuming.start();
    const gateway = serverResume(session.record, {
      suites: { kex: [kex], aead: [record.suite.aead], signature: [ED25519] },
    });
    ok(gateway.onResumeHello(hello));
    const frames = { hello, answer: ok(gateway.answer(grant)).frame, record: session.record };
    return { resuming, frames, secret: secret(), session };
  }

  it('of a gateway without the session’s RS, whatever else it has', async () => {
    const { resuming, frames } = await withAnswer();
    const elsewhere = await withAnswer();
    expect(await resuming.onResumeAnswer(swapSid(elsewhere.frames.answer, frames.record.sid))).toEqual({
      ok: false,
      cause: 'sealed_part',
    });
  });

  it('with another Finished, or another SK’ than the one it was made for', async () => {
    for (const at of [-1, -(32 + 16 + 1)]) {
      const { resuming, frames, secret } = await withAnswer();
      const changed = resealAnswer(frames, secret, (plaintext) =>
        flipBit(plaintext, (plaintext.length + at) * 8),
      );
      expect(await resuming.onResumeAnswer(changed)).toEqual({ ok: false, cause: 'finished' });
    }
  });

  it('sealed again unchanged is good', async () => {
    const { resuming, frames, secret } = await withAnswer();
    expect((await resuming.onResumeAnswer(resealAnswer(frames, secret, (same) => same))).ok).toBe(true);
  });

  it('that has received what was never sent', async () => {
    const session = await openSession();
    const resuming = clientResume(session.client);
    const gateway = serverResume(session.record);
    ok(gateway.onResumeHello(resuming.start()));
    const { frame } = ok(gateway.answer({ ...grant, receivedThrough: 1 }));
    expect(await resuming.onResumeAnswer(frame)).toEqual({ ok: false, cause: 'received_through' });
  });

  it.each([-1, 1, 5])('whose epoch is %i off', async (difference) => {
    const { client, record: own } = await openSession();
    const next = await resume(client, own);
    const resuming = clientResume(next.client);
    const gateway = serverResume({ ...next.record, epoch: next.record.epoch + difference });
    ok(gateway.onResumeHello(resuming.start()));
    const { frame } = ok(gateway.answer(grant));
    expect(await resuming.onResumeAnswer(frame)).toEqual({ ok: false, cause: 'epoch_mismatch' });
  });

  it('that takes an epoch for another’s RS', async () => {
    const { client, record: own } = await openSession();
    const lost = await answered(client, own);
    const resuming = clientResume(lost.resumed.session);
    const gateway = serverResume(own);
    ok(gateway.onResumeHello(resuming.start()));
    const { frame } = ok(gateway.answer(grant));
    // The clear part: share 34, binding 1, nonce 32, time 8, epoch 4, binder 1.
    const binderAt = 18 + 34 + 1 + 32 + 8 + 4;
    expect(frame[binderAt]).toBe(1);
    for (const [index, cause] of [
      [0, 'epoch_mismatch'],
      [2, 'not_offered'],
    ] as const) {
      const again = clientResume(lost.resumed.session);
      again.start();
      const changed = frame.slice();
      changed[binderAt] = index;
      expect(await again.onResumeAnswer(changed)).toEqual({ ok: false, cause });
    }
  });

  it('that chose a binding which was not offered', async () => {
    const { resuming, frames } = await withAnswer();
    const changed = frames.answer.slice();
    changed[18 + 34] = 1;
    expect(await resuming.onResumeAnswer(changed)).toEqual({ ok: false, cause: 'not_offered' });
  });

  it('that was given to an earlier ResumeHello', async () => {
    const { client, record: own } = await openSession();
    const first = clientResume(client);
    const gateway = serverResume(own);
    ok(gateway.onResumeHello(first.start()));
    const { frame } = ok(gateway.answer(grant));
    const second = clientResume(client);
    second.start();
    expect(await second.onResumeAnswer(frame)).toEqual({ ok: false, cause: 'sealed_part' });
  });

  it('with any bit flipped', async () => {
    const { client, record: own } = await openSession();
    for (const bit of Array.from({ length: 400 }, (_, at) => at * 7)) {
      const resuming = clientResume(client);
      const gateway = serverResume(own);
      ok(gateway.onResumeHello(resuming.start()));
      const { frame } = ok(gateway.answer(grant));
      const result = await resuming.onResumeAnswer(flipBit(frame, bit % (frame.length * 8)));
      expect(result.ok, `bit ${bit}`).toBe(false);
    }
  });

  it('that is an alert, and says so', async () => {
    const { client } = await openSession();
    const resuming = clientResume(client);
    resuming.start();
    expect(await resuming.onResumeAnswer(encodeAlert(client.sid, 'unknown_session', 9))).toMatchObject({
      ok: false,
      cause: 'alert',
      alert: { code: 'unknown_session', retryAfterMs: 9 },
    });
  });
});

describe('a first frame attaches nobody', () => {
  const finishedOf = (fill: number): OutgoingMessage =>
    controlMessage({ kind: 'finished', mac: new Uint8Array(32).fill(fill) });

  it.each([
    ['without Finished', [request]],
    ['with Finished second', [request, finishedOf(0)]],
    ['with another Finished', [finishedOf(1), request]],
    [
      'with an ack first',
      [controlMessage({ kind: 'ack', receivedThrough: 0, lost: 0, gatewayTimeMs: 0, missing: [] })],
    ],
  ])('%s', async (_name, messages) => {
    const { client, record: own } = await openSession();
    const { server, resumed } = await answered(client, own);
    const frame = ok(resumed.session.sealFrame(messages)).bytes;
    expect(server.onFirstFrame(frame)).toMatchObject({ ok: false, cause: 'finished' });
    const good = ok(resumed.session.sealFrame([resumed.finished])).bytes;
    expect(server.onFirstFrame(good)).toMatchObject({ ok: false, cause: 'out_of_order' });
  });

  it('with the Finished of another resume of the same session', async () => {
    const { client, record: own } = await openSession();
    const one = await answered(client, own);
    const other = await answered(one.resumed.session, own);
    const frame = ok(other.resumed.session.sealFrame([one.resumed.finished])).bytes;
    expect(other.server.onFirstFrame(frame)).toMatchObject({ ok: false, cause: 'finished' });
  });

  it('before the answer, or after another', async () => {
    const { client, record: own } = await openSession();
    const server = serverResume(own);
    const { resumed, server: right } = await answered(client, own);
    const frame = ok(resumed.session.sealFrame([resumed.finished])).bytes;
    expect(server.onFirstFrame(frame)).toMatchObject({ ok: false, cause: 'out_of_order' });
    ok(right.onFirstFrame(frame));
    expect(right.onFirstFrame(frame)).toMatchObject({ ok: false, cause: 'out_of_order' });
  });

  it('that is none', async () => {
    const { client, record: own } = await openSession();
    const { server, hello } = await answered(client, own);
    expect(server.onFirstFrame(hello)).toMatchObject({ ok: false, cause: 'unexpected_type' });
  });

  it('with any bit flipped', async () => {
    const { client, record: own } = await openSession();
    const { resumed } = await answered(client, own);
    const { length } = ok(resumed.session.sealFrame([resumed.finished])).bytes;
    let session = resumed.session;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: length * 8 - 1 }), async (bit) => {
        const attempt = await answered(session, own);
        session = attempt.resumed.session;
        const frame = ok(session.sealFrame([attempt.resumed.finished])).bytes;
        expect(attempt.server.onFirstFrame(flipBit(frame, bit)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

describe('parsers', () => {
  const bytes = encodeResumptionRecord(record).use((raw) => raw.slice());

  it('a record is what it was', () => {
    const read = ok(parseResumptionRecord(bytes));
    expect(read.secret.equals(record.secret)).toBe(true);
    const { secret: _, ok: __, ...rest } = read;
    const { secret: ___, ...expected } = record;
    expect(JSON.stringify(rest)).toBe(JSON.stringify(expected));
    expect(Object.keys(rest).sort()).toEqual(Object.keys(expected).sort());
  });

  it('a record is resumed as well after it was stored', async () => {
    const { client, record: own } = await openSession();
    const stored = ok(parseResumptionRecord(encodeResumptionRecord(own).use((raw) => raw.slice())));
    expect((await resume(client, stored)).client.epoch).toBe(1);
  });

  it('a record shows no secret', () => {
    expect(String(encodeResumptionRecord(record))).toBe('[secret]');
    const raw = record.secret.export().toString('hex');
    expect(JSON.stringify(record)).not.toContain(raw);
  });

  it('a record keeps nothing of the bytes it was read from', () => {
    const copy = bytes.slice();
    const read = ok(parseResumptionRecord(copy));
    copy.fill(0xff);
    expect(toHex(read.sid)).toBe(toHex(record.sid));
    expect(toHex(read.signedBinding.bytes)).toBe(toHex(record.signedBinding.bytes));
    expect(toHex(read.binding.clientPublicKey)).toBe(toHex(record.binding.clientPublicKey));
  });

  it('a record cut, longer, of another layout, session, suite or limit is refused', () => {
    for (let length = 0; length < bytes.length; length += 1)
      expect(parseResumptionRecord(bytes.subarray(0, length)).ok).toBe(false);
    expect(parseResumptionRecord(concatBytes(bytes, Uint8Array.of(0))).ok).toBe(false);
    const put = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return parseResumptionRecord(copy);
    };
    expect(put(0, 2)).toEqual({ ok: false, cause: 'unknown_version' });
    // layout 1, sid 16, epoch 4, then the suite; the limits end 4 + 8 bytes before the end.
    for (const at of [1, 21, 23, 25]) expect(put(at, 0x77)).toEqual({ ok: false, cause: 'bad_field' });
    expect(put(bytes.length - 9, 0xff)).toEqual({ ok: false, cause: 'bad_field' });
  });

  const start = encodeResumeHelloStart({
    sid: new Uint8Array(16).fill(1),
    kex: 0x1d,
    share: new Uint8Array(32),
    channelBindings: [1, 0],
    nonce: new Uint8Array(32),
    receivedThrough: 9,
  });
  const signature = lp16(new Uint8Array(64));
  const mac = new Uint8Array(32);
  it.each([
    ['one binder', [start, signature, encodeBinders([mac])], true],
    ['four binders', [start, signature, encodeBinders([mac, mac, mac, mac])], true],
    ['no binder', [start, signature, encodeBinders([])], false],
    ['five binders', [start, signature, encodeBinders([mac, mac, mac, mac, mac])], false],
    ['a binder of 31 bytes', [start, signature, Uint8Array.of(1), mac.subarray(1)], false],
    [
      'no channel binding',
      [start.subarray(0, 52), Uint8Array.of(0), start.subarray(55), signature, encodeBinders([mac])],
      false,
    ],
    [
      'a channel binding twice',
      [start.subarray(0, 52), Uint8Array.of(2, 0, 0), start.subarray(55), signature, encodeBinders([mac])],
      false,
    ],
  ])('a ResumeHello with %s', (_name, fields, isRead) => {
    expect(parseResumeHello(concatBytes(...fields)).ok).toBe(isRead);
  });

  it.each([
    ['ResumeHello', parseResumeHello],
    ['a ResumeHello frame', readResumeHello],
    ['ResumeAnswer', parseResumeAnswerClear],
    ['its sealed part', parseResumeAnswerSealed],
    ['a record', parseResumptionRecord],
  ] as const)('never throw on noise in %s', (_name, parse) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (noise) => {
        expect(typeof parse(noise).ok).toBe('boolean');
      }),
      { numRuns: 300 },
    );
  });
});

describe('a resend', () => {
  const again = { ...request, firstSentAtMs: NOW_MS - 900 };

  it('says when it was first sent, to who opens it', async () => {
    const { client, gateway } = await openSession();
    const [first, second] = ok(gateway.openFrame(ok(client.sealFrame([again, request])).bytes)).messages;
    expect(first?.firstSentAtMs).toBe(NOW_MS - 900);
    expect(second !== undefined && 'firstSentAtMs' in second).toBe(false);
  });

  it('cannot be changed or taken off on its way', async () => {
    const { client, gateway } = await openSession();
    const frame = ok(client.sealFrame([again])).bytes;
    const at = Buffer.from(frame).indexOf(Buffer.from([0x80, 0x02, 0, 8]));
    for (let bit = at * 8; bit < (at + 12) * 8; bit += 1)
      expect(gateway.openFrame(flipBit(frame, bit)).ok).toBe(false);
    const without = concatBytes(frame.subarray(0, at), frame.subarray(at + 12));
    without[at - 1] = 0;
    expect(gateway.openFrame(without).ok).toBe(false);
  });

  it.each([
    ['a response', { ...again, kind: 'response', destination: '' }],
    ['what is first sent later than now', { ...again, firstSentAtMs: NOW_MS + 1 }],
    ['a time that is none', { ...again, firstSentAtMs: -1 }],
    ['a time that is no integer', { ...again, firstSentAtMs: 0.5 }],
  ] as const)('is not made of %s', async (_name, message) => {
    const { client } = await openSession();
    expect(client.sealFrame([message])).toEqual({ ok: false, cause: 'bad_field' });
  });
});

/** The same frame under another session’s name. */
function swapSid(frame: Uint8Array, sid: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy.set(sid, 2);
  return copy;
}
