import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concatBytes,
  constantTimeEqual,
  fromBase64url,
  fromHex,
  fromUtf8,
  randomBytes,
  randomHex,
  toBase64url,
  toHex,
  utf8,
} from './bytes.ts';

describe('encodings', () => {
  it('give back what went in', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
    );
  });

  it.each(['0', 'zz', '0x00', '00 '])('refuses %j as hexadecimal', (text) => {
    expect(fromHex(text)).toBeUndefined();
  });

  it.each(['AA==', 'AB', 'A', 'A+/A', ' AA', 'AA\n'])('refuses %j as base64url', (text) => {
    expect(fromBase64url(text)).toBeUndefined();
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(fromUtf8(Uint8Array.of(0xc0, 0x80))).toBeUndefined();
  });
});

describe('bytes', () => {
  it('join in order, in new memory', () => {
    const part = Uint8Array.of(1, 2);
    const joined = concatBytes(part, new Uint8Array(0), Uint8Array.of(3));
    part[0] = 9;
    expect(joined).toEqual(Uint8Array.of(1, 2, 3));
  });

  it.each([
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1, 2], [1, 2, 3], false],
    [[], [], true],
  ])('compare %j with %j', (a, b, isEqual) => {
    expect(constantTimeEqual(Uint8Array.from(a), Uint8Array.from(b))).toBe(isEqual);
  });

  it('are drawn fresh', () => {
    expect(randomBytes(32)).not.toEqual(randomBytes(32));
  });

  it('is never given out twice as hexadecimal, whatever is asked for', () => {
    const names = Array.from({ length: 500 }, (_, i) => randomHex(i % 3 === 0 ? 16 : 1_500));
    expect(new Set(names.map((name) => name.slice(0, 32))).size).toBe(names.length);
    expect(new Set(names.map((name) => name.length))).toEqual(new Set([32, 3_000]));
    expect(names.every((name) => /^[0-9a-f]+$/u.test(name))).toBe(true);
  });
});
