import { randomBytes } from '@sallyport/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeHash, HASH_PARAMETERS, parseHash, passwordProblem, preparePassword } from './password.ts';

const hash = { ...HASH_PARAMETERS, salt: randomBytes(16), hash: randomBytes(32) };

it('a hash comes back as it went, with its parameters', () => {
  expect(parseHash(encodeHash(hash))).toEqual(hash);
});

it('is total: noise is no hash', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => void parseHash(bytes)));
  const encoded = encodeHash(hash);
  expect(parseHash(encoded.subarray(1))).toBeUndefined();
  expect(parseHash(encoded.map((byte, at) => (at === 0 ? 2 : byte)))).toBeUndefined();
});

describe('a password', () => {
  it('is the same however its letters and spaces are written', () => {
    expect(preparePassword('u\u0308ber\u00a0alles')).toEqual(preparePassword('über alles'));
    expect(preparePassword('Über alles')).not.toEqual(preparePassword('über alles'));
  });

  it.each(['', 'line\nfeed', 'nul\0', '\ud800lone', 'a'.repeat(257)])('is not %j', (text) => {
    expect(preparePassword(text)).toBeUndefined();
  });

  it.each(['correct horse battery', 'пароль из слов', '𝒂𝒃𝒄𝒅𝒆𝒇𝒈𝒉𝒊𝒋𝒌𝒍', 'a'.repeat(252) + 'bcd!'])(
    'may be %j',
    (text) => {
      expect(passwordProblem('user:alice', text)).toBeUndefined();
    },
  );

  it.each([
    'short',
    'elevenchars',
    'aaaaaaaaaaaaaaaa',
    'alicealicealice',
    'alice-alice-1',
    'tab\tin the middle',
  ])('may not be %j', (text) => {
    expect(passwordProblem('user:alice', text)).toBeTypeOf('string');
  });
});
