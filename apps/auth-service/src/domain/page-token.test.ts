import { randomBytes } from '@sallyport/crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatPageToken, parsePageToken } from './page-token.ts';

const question = { principal: 'user:alice', includeEnded: true };

it('comes back as it went', () => {
  fc.assert(
    fc.property(
      fc.nat(8_640_000_000_000_000),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (openedAt, sessionId) => {
        expect(parsePageToken(question, formatPageToken(question, { openedAt, sessionId }))).toEqual({
          openedAt,
          sessionId,
        });
      },
    ),
  );
});

it('is total: noise is no token', () => {
  fc.assert(fc.property(fc.string(), (text) => parsePageToken(question, text) === undefined));
});

it.each([
  ['another principal', { ...question, principal: 'user:bob' }],
  ['everybody', { ...question, principal: undefined }],
  ['fewer', { ...question, includeEnded: false }],
])('is not one for %s', (_, other) => {
  const token = formatPageToken(question, { openedAt: 1, sessionId: randomBytes(16) });
  expect(parsePageToken(other, token)).toBeUndefined();
});
