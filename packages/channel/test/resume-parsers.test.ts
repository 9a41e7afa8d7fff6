/** The layouts of a resume and a resend: exact, total, and every byte of a resend covered. */
import { concatBytes, toHex } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeResumptionRecord, parseResumptionRecord, readResumeHello } from '../src/index.ts';
import { parseResumeAnswerClear, parseResumeAnswerSealed } from '../src/resume-answer.ts';
import { encodeBinders, encodeResumeHelloStart, parseResumeHello } from '../src/resume-hello.ts';
import { lp16 } from '../src/wire.ts';
import { openSession, request, resume } from './resume-world.ts';
import { flipBit, NOW_MS, ok } from './world.ts';

const opened = await openSession();
const { record } = opened;

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
