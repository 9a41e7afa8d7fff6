import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AEAD_TABLE, AES_256_GCM, aead, aeadRow, aeadRowById } from './aead.ts';
import { randomBytes } from './bytes.ts';
import { secretKey } from './hash.ts';

const { seal, sealInto, open } = aead(AES_256_GCM);
const key = secretKey(randomBytes(32));
const iv = randomBytes(12);
const aad = randomBytes(20);

describe('AES-256-GCM', () => {
  it('opens what it sealed and nothing with a flipped bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (plaintext, pick) => {
        const sealed = seal({ key, iv, aad, plaintext });
        expect(sealed.length).toBe(plaintext.length + 16);
        expect(open({ key, iv, aad, sealed })).toEqual(plaintext);
        const bit = pick % (sealed.length * 8);
        sealed[bit >> 3] = (sealed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(open({ key, iv, aad, sealed })).toBeUndefined();
      }),
    );
  });

  it.each([0, 35, 37])('does not seal 20 bytes into %i', (length) => {
    const plaintext = aad;
    expect(() => sealInto({ key, iv, aad, plaintext }, new Uint8Array(length))).toThrow(RangeError);
    const out = new Uint8Array(36);
    sealInto({ key, iv, aad, plaintext }, out);
    expect(out).toEqual(seal({ key, iv, aad, plaintext }));
  });

  it.each([0, 4, 8, 12, 15])('refuses a tag cut to %i bytes', (length) => {
    const sealed = seal({ key, iv, aad, plaintext: new Uint8Array(0) });
    expect(open({ key, iv, aad, sealed: sealed.subarray(0, length) })).toBeUndefined();
  });

  it.each([0, 8, 11, 13, 16])('refuses an IV of %i bytes', (length) => {
    const wrong = new Uint8Array(length);
    expect(() => seal({ key, iv: wrong, aad, plaintext: aad })).toThrow(RangeError);
    expect(open({ key, iv: wrong, aad, sealed: new Uint8Array(32) })).toBeUndefined();
  });

  it.each([16, 24, 31, 33])('refuses a key of %i bytes', (length) => {
    const wrong = secretKey(new Uint8Array(length));
    expect(() => seal({ key: wrong, iv, aad, plaintext: aad })).toThrow(RangeError);
    expect(open({ key: wrong, iv, aad, sealed: new Uint8Array(32) })).toBeUndefined();
  });
});

describe('the table', () => {
  it('finds its rows by name and by number', () => {
    for (const row of AEAD_TABLE) expect([aeadRow(row.name), aeadRowById(row.id)]).toEqual([row, row]);
  });

  it.each(['AES-128-CBC', 'aes-256-gcm', '', '__proto__'])('does not know %j', (name) => {
    expect(aeadRow(name)).toBeUndefined();
  });

  it('does not know the number 0', () => {
    expect(aeadRowById(0)).toBeUndefined();
  });
});
