import { expect, it } from 'vitest';
import { concatBytes, utf8 } from './bytes.ts';
import { hkdfExpand, hkdfExtract, hmacSha256, RunningSha256, secretKey, sha256 } from './hash.ts';

it('hashes parts as if they were joined', () => {
  const [a, b] = [utf8('a'), utf8('b')];
  expect(sha256(a, b)).toEqual(sha256(concatBytes(a, b)));
  expect(hmacSha256(secretKey(a), a, b)).toEqual(hmacSha256(secretKey(a), concatBytes(a, b)));
});

it('gives the digest at any point of a running hash', () => {
  const running = new RunningSha256();
  expect(running.digest()).toEqual(sha256(new Uint8Array(0)));
  running.update(utf8('a'));
  expect(running.digest()).toEqual(sha256(utf8('a')));
  running.update(utf8('b'));
  expect(running.digest()).toEqual(sha256(utf8('ab')));
});

it('takes a salt as bytes or as a key', () => {
  const salt = utf8('salt');
  const one = hkdfExpand(hkdfExtract(salt, utf8('ikm')), utf8('info'), 40);
  expect(hkdfExpand(hkdfExtract(secretKey(salt), utf8('ikm')), utf8('info'), 40)).toEqual(one);
});

it.each([-1, 8161, 0.5])('refuses to expand to %d bytes', (length) => {
  expect(() => hkdfExpand(hkdfExtract(utf8('salt'), utf8('ikm')), utf8('info'), length)).toThrow(RangeError);
});
