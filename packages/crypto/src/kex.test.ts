import { describe, expect, it } from 'vitest';
import { bufferOf, fromHex, randomBytes } from './bytes.ts';
import { KEX_TABLE, kexRow, kexRowById, X25519, X25519MLKEM768 } from './kex.ts';

describe.each(KEX_TABLE.map((row) => [row.name, row] as const))('%s', (_name, row) => {
  it('agrees on one secret', () => {
    const offer = row.offer();
    const answer = row.respond(offer.share);
    expect(offer.share.length).toBe(row.clientShareLength);
    expect(answer?.share.length).toBe(row.serverShareLength);
    expect(offer.finish(answer?.share ?? new Uint8Array(0))).toEqual(answer?.secret);
  });

  it('draws fresh keys', () => {
    expect(row.offer().share).not.toEqual(row.offer().share);
  });

  it('is reproducible from a fixed source on the client', () => {
    const fixed = (length: number) => new Uint8Array(length).fill(7);
    expect(row.offer(fixed).share).toEqual(row.offer(fixed).share);
  });

  it('leaves no copy of its private keys in memory that buffers share', () => {
    const mark = randomBytes(16);
    const marked = (length: number) => Uint8Array.from({ length }, (_, at) => mark[at % 16] ?? 0);
    const pool = Buffer.from(Buffer.allocUnsafe(1).buffer);
    const offer = row.offer(marked);
    row.respond(offer.share, marked);
    expect(pool.includes(bufferOf(mark))).toBe(false);
  });

  it.each([-1, 1])('refuses shares %i byte off', (difference) => {
    const offer = row.offer();
    expect(row.respond(new Uint8Array(row.clientShareLength + difference))).toBeUndefined();
    expect(offer.finish(new Uint8Array(row.serverShareLength + difference))).toBeUndefined();
  });

  // The degenerate points of Curve25519: every one forces the all-zero secret (RFC 7748 section 6.1).
  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ])('refuses the small-order point %s', (hex) => {
    const point = fromHex(hex) ?? new Uint8Array(0);
    const offer = row.offer();
    const share = offer.share.slice();
    share.set(point, share.length - 32);
    expect(row.respond(share)).toBeUndefined();
    const answer = row.respond(offer.share)?.share ?? new Uint8Array(0);
    answer.set(point, answer.length - 32);
    expect(offer.finish(answer)).toBeUndefined();
  });
});

it('puts ML-KEM before X25519 in shares and secret', () => {
  const offer = X25519MLKEM768.offer((length) => new Uint8Array(length).fill(length));
  const plain = X25519.offer((length) => new Uint8Array(length).fill(length));
  expect(offer.share.subarray(1184)).toEqual(plain.share);
  const answer = X25519MLKEM768.respond(offer.share);
  expect(plain.finish(answer?.share.subarray(1088) ?? plain.share)).toEqual(answer?.secret.subarray(32));
});

it('gives another secret, not an error, for a forged ciphertext', () => {
  const offer = X25519MLKEM768.offer();
  const answer = X25519MLKEM768.respond(offer.share);
  if (answer === undefined) throw new Error('no answer');
  answer.share[0] = (answer.share[0] ?? 0) ^ 1;
  expect(offer.finish(answer.share)?.length).toBe(64);
  expect(offer.finish(answer.share)).not.toEqual(answer.secret);
});

it('refuses an encapsulation key outside the modulus', () => {
  expect(X25519MLKEM768.respond(new Uint8Array(1216).fill(0xff))).toBeUndefined();
});

describe('the table', () => {
  it('puts the hybrid first and finds its rows', () => {
    expect(KEX_TABLE[0]).toBe(X25519MLKEM768);
    for (const row of KEX_TABLE) expect([kexRow(row.name), kexRowById(row.id)]).toEqual([row, row]);
  });

  it.each(['x25519', 'P-256', ''])('does not know %j', (name) => {
    expect(kexRow(name)).toBeUndefined();
    expect(kexRowById(randomBytes(1).length)).toBeUndefined();
  });
});
