/** Frames of messages: what goes through, and a row for each way in which one is refused. */
import { AES_256_GCM, aead, ED25519, secretKey } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_LIMITS,
  type Kind,
  type MessageCause,
  type OutgoingMessage,
  type SessionLimits,
} from '../src/index.ts';
import { messageKey, MessageSeeds } from '../src/message-keys.ts';
import { clientContext, clientSession, forge, gatewaySession, request, sid } from './frames.ts';
import { flipBit, keysOf, NOW_MS, ok } from './world.ts';

const good = forge();
/** The first record's header begins after ver, type, sid, first_seq, n and its own length. */
const HEADER = 18 + 8 + 2 + 4;
const bytes = (...parts: readonly (Uint8Array | readonly number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
/** The frame with bytes at a place replaced. */
const put = (at: number, ...values: readonly number[]) =>
  bytes(good.subarray(0, at), values, good.subarray(at + values.length));

describe('a good frame', () => {
  it('opens to what was sealed', () => {
    const opened = ok(gatewaySession().openFrame(good));
    expect(opened.messages[0]).toMatchObject({
      sid,
      epoch: 0,
      direction: 'c2s',
      sequence: 1,
      sentAtMs: NOW_MS,
      kind: 'request',
      correlation: request.correlation,
      destination: 'echo',
      contentType: 'application/json',
      trace: request.trace,
      payload: request.payload,
    });
  });

  const text = (maxLength: number, minLength = 0) =>
    fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
      minLength,
      maxLength,
    });
  const message: fc.Arbitrary<OutgoingMessage> = fc
    .record({
      kind: fc.constantFrom<Kind>('request', 'response', 'refusal', 'notification', 'control'),
      correlation: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      destination: text(255, 1),
      contentType: text(60),
      trace: text(60),
      payload: fc.uint8Array({ maxLength: 400 }),
    })
    .map((made) =>
      made.kind === 'request' || made.kind === 'notification' ? made : { ...made, destination: '' },
    );

  it('of any messages opens to them, in order, over many frames', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(message, { minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 4 }),
        (frames) => {
          const [client, gateway] = [clientSession(), gatewaySession()];
          let next = 1;
          for (const messages of frames) {
            const sealed = ok(client.sealFrame(messages));
            const opened = ok(gateway.openFrame(sealed.bytes));
            expect(sealed.firstSequence).toBe(next);
            expect(opened.messages).toMatchObject(
              messages.map((sent, at) => ({ ...sent, sequence: next + at })),
            );
            next += messages.length;
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([1, 2, 3, 63, 64, 65, 255, 256])('carries %i messages', (count) => {
    const messages = Array.from({ length: count }, () => request);
    const opened = ok(gatewaySession().openFrame(ok(clientSession().sealFrame(messages)).bytes));
    expect(opened.messages.at(-1)?.sequence).toBe(count);
  });

  it('hides equal contents: no two ciphertexts or tags are alike', () => {
    const opened = ok(gatewaySession().openFrame(forge({}, [request, request])));
    const [a, b] = opened.proof.sealedDigests;
    expect(a).not.toEqual(b);
  });

  it('of a rolled-back sender uses another key for other content', () => {
    const other = { ...request, payload: Uint8Array.of(...request.payload.slice(0, -1), 0x21) };
    const [first, second] = [forge(), forge({}, [other])]; // same sequence, same nonce
    const at = HEADER + (first.length - good.length) + 200;
    expect(first.subarray(at)).not.toEqual(second.subarray(at));
    ok(gatewaySession().openFrame(second));
  });
});

const resendBlock = [0x80, 0x02, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1];

describe('a frame is refused', () => {
  const otherSid = new Uint8Array(16).fill(9);
  const many = (count: number) => Array.from({ length: count }, () => request);
  const headerLength =
    (good[HEADER - 3] ?? 0) * 65536 + (good[HEADER - 2] ?? 0) * 256 + (good[HEADER - 1] ?? 0);
  const sealedAt = HEADER + headerLength;
  const tagAt = sealedAt - 32;
  const extensionsAt = sealedAt - 32 - 4 - 2;

  const rows: readonly (readonly [string, () => Uint8Array, MessageCause])[] = [
    ['empty', () => new Uint8Array(0), 'truncated'],
    ['one byte', () => good.subarray(0, 1), 'truncated'],
    ['cut inside the session id', () => good.subarray(0, 17), 'truncated'],
    ['without a body', () => good.subarray(0, 18), 'truncated'],
    ['cut inside first_seq', () => good.subarray(0, 22), 'truncated'],
    ['cut inside n', () => good.subarray(0, 27), 'truncated'],
    ['cut inside the header', () => good.subarray(0, HEADER + 60), 'truncated'],
    ['cut before the ciphertext', () => good.subarray(0, sealedAt), 'truncated'],
    ['cut inside the ciphertext', () => good.subarray(0, sealedAt + 9), 'truncated'],
    ['without a signature', () => good.subarray(0, good.length - 68), 'truncated'],
    ['cut inside the signature', () => good.subarray(0, good.length - 1), 'truncated'],
    ['one byte too long', () => bytes(good, [0]), 'trailing_bytes'],
    ['twice in a row', () => bytes(good, good), 'trailing_bytes'],
    ['above 1 MiB', () => new Uint8Array(2 ** 20 + 1).fill(1), 'oversized'],
    [
      'above 1 MiB, well made',
      () => forge({}, [{ ...request, payload: new Uint8Array(2 ** 20) }]),
      'oversized',
    ],
    ['of version 0', () => put(0, 0), 'unknown_version'],
    ['of version 2', () => put(0, 2), 'unknown_version'],
    ['of type 0', () => put(1, 0), 'unknown_type'],
    ['of type 0x11', () => put(1, 0x11), 'unknown_type'],
    ['of a handshake type', () => put(1, 3), 'unexpected_type'],
    ['of the type of a resume', () => put(1, 5), 'unexpected_type'],
    ['without messages (n = 0)', () => put(26, 0, 0), 'bad_count'],
    ['with n = 257', () => forge({}, many(257)), 'bad_count'],
    ['with n = 65535', () => put(26, 255, 255), 'bad_count'],
    ['with n one too large', () => put(26, 0, 2), 'truncated'],
    [
      'with n one too small',
      () => bytes(forge({}, many(2)).subarray(0, 26), [0, 1], forge({}, many(2)).subarray(28)),
      'trailing_bytes',
    ],
    ['with first_seq = 0', () => forge({}, [request], { firstSequence: 0 }), 'bad_field'],
    ['with first_seq beyond 2^53', () => put(18, 255, 255), 'bad_field'],
    ['with a header of 2,049 bytes', () => put(HEADER - 4, 0, 0, 8, 1), 'oversized'],
    ['with a header of 4 GiB', () => put(HEADER - 4, 255, 255, 255, 255), 'oversized'],
    ['with a header of no bytes', () => put(HEADER - 4, 0, 0, 0, 0), 'oversized'],
    ['with a header of version 2', () => put(HEADER, 2), 'unknown_version'],
    ['with a flag', () => put(HEADER + 1, 1), 'bad_field'],
    ['with direction 2', () => put(HEADER + 22, 2), 'bad_field'],
    ['with kind 0', () => put(HEADER + 55, 0), 'bad_field'],
    ['with kind 6', () => put(HEADER + 55, 6), 'bad_field'],
    ['with a response that names a destination', () => put(HEADER + 55, 2), 'bad_field'],
    ['with a request that names none', () => put(HEADER + 72, 0), 'bad_field'],
    ['with a line feed in the destination', () => put(HEADER + 73, 0x0a), 'bad_field'],
    ['with a byte above ASCII in the content type', () => put(HEADER + 72 + 5 + 3, 0xe9), 'bad_field'],
    ['with extensions longer than the header', () => put(extensionsAt, 0, 200), 'truncated'],
    ['with a plaintext length that is not the ciphertext’s', () => put(extensionsAt + 5, 99), 'bad_field'],
    ['with a ciphertext shorter than a tag', () => put(sealedAt, 0, 0, 0, 15), 'bad_field'],
    ['of another session (frame)', () => put(2, ...otherSid), 'wrong_session'],
    ['of another session (header)', () => put(HEADER + 2, ...otherSid), 'wrong_session'],
    ['of another session (both, well made)', () => forge({ sid: otherSid }), 'wrong_session'],
    ['of the other direction', () => forge({ direction: 's2c' }), 'wrong_direction'],
    ['of another epoch', () => forge({ epoch: 1 }), 'wrong_epoch'],
    ['with first_seq moved', () => put(25, 2), 'sequence_mismatch'],
    ['with a header’s sequence moved', () => put(HEADER + 30, 2), 'sequence_mismatch'],
    [
      'beyond the messages of an epoch',
      () => forge({}, [request], { firstSequence: 2 ** 20 + 1 }),
      'epoch_exhausted',
    ],
    ['older than 30 s', () => forge({}, [request], { sentAtMs: NOW_MS - 30_001 }), 'stale_time'],
    ['more than 30 s ahead', () => forge({}, [request], { sentAtMs: NOW_MS + 30_001 }), 'future_time'],
    ['with another content tag', () => put(tagAt, (good[tagAt] ?? 0) ^ 1), 'decryption_failed'],
    ['with another ciphertext', () => put(sealedAt + 4, (good[sealedAt + 4] ?? 0) ^ 1), 'decryption_failed'],
    ['with another nonce', () => put(HEADER + 39, (good[HEADER + 39] ?? 0) ^ 1), 'decryption_failed'],
    ['with another trace', () => put(sealedAt - 32 - 6 - 1, 0x32), 'decryption_failed'],
    [
      'under other keys',
      () => forge({ seeds: new MessageSeeds(secretKey(new Uint8Array(32))) }),
      'decryption_failed',
    ],
    ['signed by another key', () => forge({ signingKey: keysOf(99).privateKey }), 'bad_signature'],
    ['signed under another binding', () => forge({ bindingHash: new Uint8Array(32) }), 'bad_signature'],
    [
      'with a signature of 63 bytes',
      () => bytes(put(good.length - 65, 63).subarray(0, good.length - 1)),
      'bad_signature',
    ],
    [
      'with an empty signature',
      () => put(good.length - 65, 0).subarray(0, good.length - 64),
      'bad_signature',
    ],
  ];

  it.each(rows)('%s', (_name, make, cause) => {
    expect(gatewaySession().openFrame(make())).toEqual({ ok: false, cause });
  });

  it.each([
    ['critical and unknown', [0x80, 0x01, 0, 0], 'unsupported_extension'],
    ['a resend, put there by another', resendBlock, 'decryption_failed'],
    ['a resend of 7 bytes', [0x80, 0x02, 0, 7, 0, 0, 0, 0, 0, 0, 1], 'truncated'],
    ['a resend of 9 bytes', [0x80, 0x02, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0], 'trailing_bytes'],
    ['a resend twice', [...resendBlock, ...resendBlock], 'bad_field'],
    ['a resend first sent in the future', [0x80, 0x02, 0, 8, 0, 0x1f, 255, 255, 0, 0, 0, 0], 'bad_field'],
    ['out of order', [0, 2, 0, 0, 0, 1, 0, 0], 'bad_field'],
    ['twice', [0, 1, 0, 0, 0, 1, 0, 0], 'bad_field'],
    ['cut', [0, 1, 0, 9], 'truncated'],
    ['unknown and not critical', [0, 1, 0, 0], 'decryption_failed'], // passes the parser; the tag covers it
  ])('with an extension that is %s', (_name, block, cause) => {
    const withBlock = bytes(
      good.subarray(0, HEADER - 2),
      [(headerLength + block.length) >> 8, (headerLength + block.length) & 255],
      good.subarray(HEADER, extensionsAt),
      [0, block.length],
      block,
      good.subarray(extensionsAt + 2),
    );
    expect(gatewaySession().openFrame(withBlock)).toEqual({ ok: false, cause });
  });

  it('with its records in another order', () => {
    const [a, b] = [{ ...request }, { ...request, payload: Uint8Array.of(1) }];
    const both = forge({}, [a, b]);
    const firstEnd = sealedAt + 4 + a.payload.length + 16;
    const secondEnd = both.length - 68;
    const swapped = bytes(
      both.subarray(0, 28),
      both.subarray(firstEnd, secondEnd),
      both.subarray(28, firstEnd),
      both.subarray(secondEnd),
    );
    expect(gatewaySession().openFrame(swapped)).toEqual({ ok: false, cause: 'sequence_mismatch' });
  });

  it('with a record taken out of its middle', () => {
    const three = forge({}, [request, request, request]);
    const recordLength = 4 + headerLength + 4 + request.payload.length + 16;
    const gap = bytes(
      three.subarray(0, 26),
      [0, 2],
      three.subarray(28, 28 + recordLength),
      three.subarray(28 + 2 * recordLength),
    );
    expect(gatewaySession().openFrame(gap)).toEqual({ ok: false, cause: 'sequence_mismatch' });
  });

  it('with a record of another frame in place of its own', () => {
    const other = forge({}, [{ ...request, payload: request.payload.toReversed() }]);
    const spliced = bytes(other.subarray(0, other.length - 68), good.subarray(good.length - 68));
    expect(gatewaySession().openFrame(spliced)).toEqual({ ok: false, cause: 'bad_signature' });
  });

  it('whose tag is not of its content, though the key that follows from it opens the ciphertext', () => {
    const tag = new Uint8Array(32).fill(0xab);
    const seed = clientContext().seeds.keyOf(1);
    const header = bytes(good.subarray(HEADER, tagAt), tag);
    const sealed = aead(AES_256_GCM).seal({
      key: messageKey(seed, tag, 32),
      iv: header.subarray(39, 51),
      aad: header,
      plaintext: request.payload,
    });
    const frame = bytes(
      good.subarray(0, HEADER),
      header,
      good.subarray(sealedAt, sealedAt + 4),
      sealed,
      good.subarray(-68),
    );
    expect(gatewaySession().openFrame(frame)).toEqual({ ok: false, cause: 'tag_mismatch' });
  });

  it('of the client, sent back to it', () => {
    expect(clientSession().openFrame(good)).toEqual({ ok: false, cause: 'wrong_direction' });
  });

  it('with any bit flipped', () => {
    const gateway = gatewaySession();
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        expect(gateway.openFrame(flipBit(good, bit)).ok).toBe(false);
      }),
      { numRuns: 400 },
    );
  });

  it('cut anywhere', () => {
    const gateway = gatewaySession();
    for (let length = 0; length < good.length; length += 1) {
      expect(gateway.openFrame(good.subarray(0, length)).ok).toBe(false);
    }
  });

  it('of noise, without a throw', () => {
    const gateway = gatewaySession();
    const start = good.subarray(0, HEADER - 4);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (noise, isStarted) => {
        expect(gateway.openFrame(isStarted ? bytes(start, noise) : noise).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('and the session goes on as if nothing had come', () => {
    const gateway = gatewaySession();
    for (const [, make] of rows) gateway.openFrame(make());
    expect(gateway.openFrame(good).ok).toBe(true);
  });

  it.each<readonly [string, Partial<SessionLimits>, () => Uint8Array, MessageCause]>([
    ['bytes of a frame', { maxFrameBytes: good.length - 1 }, () => good, 'oversized'],
    ['bytes of a header', { maxHeaderBytes: headerLength - 1 }, () => good, 'oversized'],
    ['messages', { maxMessagesPerFrame: 1 }, () => forge({}, many(2)), 'bad_count'],
    ['age', { freshnessMs: 9 }, () => forge({}, [request], { sentAtMs: NOW_MS - 10 }), 'stale_time'],
    ['haste', { freshnessMs: 9 }, () => forge({}, [request], { sentAtMs: NOW_MS + 10 }), 'future_time'],
    [
      'sequence',
      { maxEpochMessages: 1 },
      () => forge({}, [request], { firstSequence: 2 }),
      'epoch_exhausted',
    ],
  ])('above the %s that Accept allowed', (_name, limit, make, cause) => {
    const lower = { ...DEFAULT_LIMITS, ...limit };
    expect(gatewaySession(() => NOW_MS, lower).openFrame(make())).toEqual({ ok: false, cause });
    expect(gatewaySession().openFrame(make()).ok).toBe(true);
  });

  it('and the edge of the time window is inside it', () => {
    for (const sentAtMs of [NOW_MS - 30_000, NOW_MS + 30_000]) {
      expect(gatewaySession().openFrame(forge({}, [request], { sentAtMs })).ok).toBe(true);
    }
  });
});

describe('sealing is refused and consumes nothing', () => {
  const cases: readonly (readonly [string, readonly OutgoingMessage[], string])[] = [
    ['no message', [], 'bad_count'],
    ['257 messages', Array.from({ length: 257 }, () => request), 'bad_count'],
    ['a correlation of 15 bytes', [{ ...request, correlation: new Uint8Array(15) }], 'bad_field'],
    ['no destination', [{ ...request, destination: '' }], 'bad_field'],
    ['a destination of 256 bytes', [{ ...request, destination: 'x'.repeat(256) }], 'bad_field'],
    ['a destination with a line feed', [{ ...request, destination: 'a\nb' }], 'bad_field'],
    ['a response with a destination', [{ ...request, kind: 'response' }], 'bad_field'],
    ['more than a frame holds', [{ ...request, payload: new Uint8Array(2 ** 20) }], 'oversized'],
  ];
  it.each(cases)('%s', (_name, messages, cause) => {
    const client = clientSession();
    expect(client.sealFrame(messages)).toEqual({ ok: false, cause });
    expect([client.lastSent, client.unacknowledged]).toEqual([0, 0]);
    expect(ok(client.sealFrame([request])).firstSequence).toBe(1);
  });

  it('513 unacknowledged messages, until some are acknowledged', () => {
    const client = clientSession();
    const half = Array.from({ length: 256 }, () => request);
    ok(client.sealFrame(half));
    ok(client.sealFrame(half));
    expect(client.sealFrame([request])).toEqual({ ok: false, cause: 'window_full' });
    const control: OutgoingMessage = { ...request, kind: 'control', destination: '' };
    expect(client.sealFrame([control]).ok).toBe(true); // acks must always get through
    client.acknowledge(3);
    expect(client.sendCredit).toBe(1);
    client.acknowledgeThrough(256);
    expect([client.unacknowledged, client.sendCredit]).toEqual([256, 256]);
    expect(client.sealFrame([request]).ok).toBe(true);
  });

  it('the epoch has no messages left', () => {
    const client = clientSession(() => NOW_MS, { ...DEFAULT_LIMITS, maxEpochMessages: 8 });
    ok(client.sealFrame(Array.from({ length: 6 }, () => request)));
    expect(client.isRenewalDue()).toBe(false);
    ok(client.sealFrame([request]));
    expect(client.isRenewalDue()).toBe(true);
    expect(client.sealFrame([request, request])).toEqual({ ok: false, cause: 'epoch_exhausted' });
    expect(client.sealFrame([request]).ok).toBe(true);
  });
});

it('renewal is due after 15 minutes', () => {
  let now = NOW_MS;
  const client = clientSession(() => now);
  now += 15 * 60_000 - 1;
  expect(client.isRenewalDue()).toBe(false);
  now += 1;
  expect(client.isRenewalDue()).toBe(true);
});

it('the peer’s key is one the algorithm accepts', () => {
  expect(ED25519.isAcceptable(gatewaySession().peerKey)).toBe(true);
});
