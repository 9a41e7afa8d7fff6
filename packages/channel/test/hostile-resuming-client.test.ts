/** A resume by those who may not: nobody is attached, and nothing of the session is learnt. */
import { concatBytes, ED25519, randomBytes, secretKey, toHex, X25519MLKEM768 } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  controlMessage,
  encodeAlert,
  type ClientResumeOptions,
  type HandshakeCause,
  type OutgoingMessage,
  type ResumptionRecord,
  type ServerResumeOptions,
} from '../src/index.ts';

import {
  answered,
  clientResume,
  grant,
  openSession,
  otherIdentity,
  request,
  resume,
  serverResume,
} from './resume-world.ts';
import { flipBit, keysOf, NOW_MS, ok } from './world.ts';

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
