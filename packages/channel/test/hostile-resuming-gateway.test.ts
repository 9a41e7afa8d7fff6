/** Answers to a resume that the client refuses. */
import { ED25519 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import {
  createGatewayIdentity,
  encodeAlert,
  type ClientResumeOptions,
  type HandshakeCause,
  type ServerResumeOptions,
} from '../src/index.ts';

import {
  answered,
  clientResume,
  grant,
  leakingKex,
  openSession,
  otherIdentity,
  resealAnswer,
  resume,
  serverResume,
} from './resume-world.ts';
import { fakeCertificate, flipBit, keysOf, NOW_MS, ok, TRUST_DOMAIN } from './world.ts';

const opened = await openSession();
const { record } = opened;
const exporter = new Uint8Array(32).fill(0xee);
const impostor = keysOf(66);

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

/** The same frame under another session’s name. */
function swapSid(frame: Uint8Array, sid: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy.set(sid, 2);
  return copy;
}
