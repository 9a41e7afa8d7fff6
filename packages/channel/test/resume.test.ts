/** Resume on another replica: what it carries over, what it closes, and what becomes of attempts that got lost. */
import { toHex, X25519MLKEM768 } from '@sallyport/crypto';
import { describe, expect, it } from 'vitest';
import {
  ClientResume,
  controlMessage,
  evidenceOf,
  resumptionRecord,
  SequenceWindow,
  verifyEvidence,
  type ResumptionRecord,
  type Session,
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
import {
  bindingKeys,
  certificateClient,
  connect,
  GATEWAY_ID,
  gatewayOptions,
  keysOf,
  NOW_MS,
  ok,
  pskClient,
  readFakeChain,
} from './world.ts';

const response = { ...request, kind: 'response' as const, destination: '' };
const hexOf = (record: ResumptionRecord): string => record.secret.export().toString('hex');
const ack = controlMessage({ kind: 'ack', receivedThrough: 0, lost: 0, gatewayTimeMs: NOW_MS, missing: [] });
const exporter = new Uint8Array(32).fill(0xee);

describe.each([
  ['certificate', certificateClient],
  ['psk', pskClient],
])('a session by %s', (_method, options) => {
  it('goes on with another gateway: session, binding and sequences stay, epoch, keys and peer do not', async () => {
    const first = await connect(options);
    ok(first.gateway.openFrame(ok(first.client.sealFrame([request, request])).bytes));
    ok(first.client.openFrame(ok(first.gateway.sealFrame([response])).bytes));
    const { client, gateway, opened, resumed } = await resume(first.client, resumptionRecord(first.gateway), {
      client: { receivedThrough: 1 },
      grant: { receivedThrough: 2 },
    });
    expect(opened).toMatchObject({ epoch: 1, firstSequence: 3 });
    expect(opened.messages.map(({ kind }) => kind)).toEqual(['control', 'request']);
    expect([client.epoch, gateway.epoch, resumed.receivedThrough]).toEqual([1, 1, 2]);
    expect(client.sid).toEqual(first.client.sid);
    expect(client.suite.kex).toBe(X25519MLKEM768);
    expect(client.signedBinding).toEqual(first.client.signedBinding);
    expect(client.lease.notAfterMs).toBe(NOW_MS + 7_200_000);
    const back = ok(client.openFrame(ok(gateway.sealFrame([response])).bytes));
    expect(back.messages[0]).toMatchObject({ epoch: 1, sequence: 2 });
    const again = ok(gateway.openFrame(ok(client.sealFrame([request])).bytes));
    expect(again.messages[0]).toMatchObject({ epoch: 1, sequence: 5 });
  });
});

it('can be resumed again and again, and each RS is another', async () => {
  let { client, record } = await openSession();
  const secrets = new Set([hexOf(record)]);
  for (let epoch = 1; epoch <= 5; epoch += 1) {
    const received = epoch - 1;
    const next = await resume(client, record, {
      client: { receivedThrough: received },
      grant: { receivedThrough: client.lastSent },
    });
    ok(next.client.openFrame(ok(next.gateway.sealFrame([ack])).bytes));
    ({ client, record } = { client: next.client, record: next.record });
    expect(record.epoch).toBe(epoch);
    secrets.add(hexOf(record));
  }
  expect(secrets.size).toBe(6);
});

it('both sides derive the same RS', async () => {
  const { client, record } = await openSession();
  const next = await resume(client, record);
  const [newest] = next.client.resumptionSecrets;
  expect(newest?.secret.export().toString('hex')).toBe(hexOf(next.record));
});

describe('the epoch that was left', () => {
  it('opens and seals nothing any more, on either side', async () => {
    const { client, gateway, record } = await openSession();
    const [there, back] = [ok(client.sealFrame([request])).bytes, ok(gateway.sealFrame([response])).bytes];
    const next = await resume(client, record);
    expect(client.sealFrame([request])).toEqual({ ok: false, cause: 'epoch_left' });
    expect(client.openFrame(back)).toEqual({ ok: false, cause: 'wrong_epoch' });
    expect(next.client.openFrame(back)).toEqual({ ok: false, cause: 'wrong_epoch' });
    expect(next.gateway.openFrame(there)).toEqual({ ok: false, cause: 'wrong_epoch' });
    gateway.leaveEpoch();
    expect(gateway.openFrame(there)).toEqual({ ok: false, cause: 'wrong_epoch' });
    expect(() => gateway.seedOfReceived(1)).toThrow('left');
  });

  it('the gateway that was left cannot read or speak in the new one', async () => {
    const { client, gateway, record } = await openSession();
    const next = await resume(client, record);
    const frame = ok(next.client.sealFrame([request])).bytes;
    expect(gateway.openFrame(frame)).toEqual({ ok: false, cause: 'wrong_epoch' });
    expect(next.client.openFrame(ok(gateway.sealFrame([response])).bytes)).toEqual({
      ok: false,
      cause: 'wrong_epoch',
    });
  });

  it('sequences up to what was told as received are closed', async () => {
    const { client, record } = await openSession();
    ok(client.sealFrame([request, request, request]));
    const next = await resume(client, record, { grant: { receivedThrough: 2 } });
    // Sequence 3 never came, and the first frame of the epoch begins at 4: the guard closes what lies between.
    expect(next.opened.firstSequence).toBe(4);
    expect(next.gateway.lastSent).toBe(0);
  });
});

describe('messages are counted anew', () => {
  it('in both directions, from what was told as received', async () => {
    const limits = { limits: { ...(await openSession()).record.limits, maxEpochMessages: 4 } };
    const { client, record } = await openSession();
    const { client: c, gateway: g } = await resume(client, { ...record, ...limits });
    expect(g.sealFrame([response, response, response, response]).ok).toBe(true);
    expect(g.sealFrame([response])).toEqual({ ok: false, cause: 'epoch_exhausted' });
    // The client keeps its own limits: the gateway refuses what is beyond.
    ok(g.openFrame(ok(c.sealFrame([request, request])).bytes));
    expect(g.openFrame(ok(c.sealFrame([request])).bytes)).toEqual({ ok: false, cause: 'epoch_exhausted' });
    expect(g.isRenewalDue()).toBe(true);
  });
});

describe('attempts that got lost', () => {
  async function lostFirstFrame(session: Session, record: ResumptionRecord) {
    const { resumed, server } = await answered(session, record);
    const first = ok(resumed.session.sealFrame([resumed.finished, request])).bytes;
    return { resumed, server, first };
  }

  it('the gateway never had the first frame: the same epoch again, under other keys and higher sequences', async () => {
    const { client, record } = await openSession();
    const lost = await lostFirstFrame(client, record);
    const next = await resume(lost.resumed.session, record);
    expect([lost.resumed.session.epoch, next.client.epoch]).toEqual([1, 1]);
    expect(next.opened.firstSequence).toBe(3);
    expect(next.gateway.openFrame(lost.first)).toMatchObject({ ok: false, cause: 'decryption_failed' });
  });

  it('the gateway had it and its answer was lost: the next epoch, from the RS of the one that got lost', async () => {
    const { client, record } = await openSession();
    const lost = await lostFirstFrame(client, record);
    const attached = ok(lost.server.onFirstFrame(lost.first));
    const next = await resume(lost.resumed.session, resumptionRecord(attached.session));
    expect(next.client.epoch).toBe(2);
  });

  it('keeps what the gateway may have, four at most, until it hears it', async () => {
    const { client, record } = await openSession();
    let session = client;
    for (let attempt = 0; attempt < 6; attempt += 1)
      session = (await lostFirstFrame(session, record)).resumed.session;
    expect(session.resumptionSecrets.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 0]);
    const next = await resume(session, record);
    expect(next.client.resumptionSecrets.length).toBe(4);
    ok(next.client.openFrame(ok(next.gateway.sealFrame([response])).bytes));
    expect(next.client.resumptionSecrets.map(({ epoch }) => epoch)).toEqual([1]);
  });

  it('an answer that never came leaves the session as it was', async () => {
    const { client, record } = await openSession();
    clientResume(client).start();
    clientResume(client).start();
    expect(client.resumptionSecrets.length).toBe(1);
    expect((await resume(client, record)).client.epoch).toBe(1);
  });
});

describe('a store that was set back', () => {
  it('gives the same epoch twice, never the same keys', async () => {
    const { client, record } = await openSession();
    const hello = clientResume(client).start();
    const sides = [serverResume(record), serverResume(record)].map((server) => {
      ok(server.onResumeHello(hello));
      return ok(server.answer(grant));
    });
    const [one, other] = sides.map(({ frame }) => toHex(frame));
    expect(one).not.toBe(other);
    const a = await resume(client, record);
    const b = await resume(a.client, record); // the gateway was never heard, so the client still has the RS of before
    expect([a.client.epoch, b.client.epoch]).toEqual([1, 1]);
    expect(hexOf(a.record)).not.toBe(hexOf(b.record));
    expect(b.gateway.openFrame(a.first.bytes)).toEqual({ ok: false, cause: 'decryption_failed' });
    expect(a.gateway.openFrame(b.first.bytes)).toEqual({ ok: false, cause: 'decryption_failed' });
  });

  it('is refused once the client has heard the gateway in the later epoch', async () => {
    const { client, record } = await openSession();
    const next = await resume(client, record);
    ok(next.client.openFrame(ok(next.gateway.sealFrame([response])).bytes));
    const hello = clientResume(next.client, { receivedThrough: 1 }).start();
    expect(serverResume(record).onResumeHello(hello)).toMatchObject({ ok: false, cause: 'binder' });
  });
});

it.each([
  ['bound to TLS', { client: { exporter }, server: { exporter } }],
  [
    'bound to TLS, required by both',
    {
      client: { exporter, isChannelBindingRequired: true },
      server: { exporter, isChannelBindingRequired: true },
    },
  ],
  ['bound where only one side can', { client: { exporter }, server: {} }],
])('a resume %s', async (_name, options) => {
  const { client, record } = await openSession();
  expect((await resume(client, record, options)).client.epoch).toBe(1);
});

it('a resume on the gateway it was on', async () => {
  const { client, record } = await openSession();
  const next = await resume(client, record, { server: { identity: gatewayOptions.identity } });
  expect(next.client.epoch).toBe(1);
});

it('evidence names the epoch, and the key of the gateway that spoke', async () => {
  const { client, record } = await openSession();
  const next = await resume(client, record);
  const opened = ok(next.client.openFrame(ok(next.gateway.sealFrame([response])).bytes));
  const evidence = evidenceOf(next.client, opened, 0);
  const voucher = { certificateKey: keysOf(31).publicKey, delegation: otherIdentity.delegation };
  expect(ok(verifyEvidence(evidence, bindingKeys.publicKey, voucher)).header.epoch).toBe(1);
  const first = { certificateKey: keysOf(1).publicKey, delegation: gatewayOptions.identity.delegation };
  expect(verifyEvidence(evidence, bindingKeys.publicKey, first)).toEqual({ ok: false, cause: 'signer' });
  const there = evidenceOf(next.gateway, next.opened, 1);
  expect(ok(verifyEvidence(there, bindingKeys.publicKey)).header).toMatchObject({
    epoch: 1,
    direction: 'c2s',
  });
});

it('gateway time is taken anew', async () => {
  const { client, record } = await openSession();
  const later = NOW_MS + 3_000_000;
  const next = await resume(client, record, { server: { clock: () => later } });
  expect(next.resumed.gatewayClock.now()).toBe(later);
  expect(next.opened.messages[1]?.sentAtMs).toBe(later);
});

it('a resume starts once, and needs the exporter that it requires', async () => {
  const { client } = await openSession();
  const options = { session: client, receivedThrough: 0, expectedGateway: GATEWAY_ID };
  const rest = { verifyGatewayChain: readFakeChain, clock: () => NOW_MS };
  const once = new ClientResume({ ...options, ...rest });
  once.start();
  expect(() => once.start()).toThrow('once');
  const required = new ClientResume({ ...options, ...rest, isChannelBindingRequired: true });
  expect(() => required.start()).toThrow('exporter');
});

describe('a window that is closed', () => {
  it('takes nothing up to there, and counts what never came', () => {
    const window = new SequenceWindow();
    for (const sequence of [1, 2, 5]) window.accept(sequence);
    window.closeThrough(9);
    expect([window.highest, window.lost, window.missing(32)]).toEqual([9, 6, []]);
    expect([3, 9, 10, 9 + 1024, 9 + 1025].map((sequence) => window.verdict(sequence))).toEqual([
      'duplicate',
      'duplicate',
      'fresh',
      'fresh',
      'too_far_ahead',
    ]);
    window.accept(10);
    window.accept(1034);
    window.accept(1040);
    expect(window.lost).toBe(6 + 6);
  });

  it('never goes back', () => {
    const window = new SequenceWindow();
    window.accept(7);
    window.closeThrough(3);
    expect([window.highest, window.lost, window.verdict(4)]).toEqual([7, 6, 'duplicate']);
  });
});
