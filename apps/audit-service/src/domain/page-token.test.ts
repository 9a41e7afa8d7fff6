import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RecordFilter } from './leaf.ts';
import { formatPageToken, parsePageToken } from './page-token.ts';

const filter: RecordFilter = { principal: 'user:alice', joinOutcomes: true };

test('round trip', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 0, max: 0x7fffffff }), (leafIndex, item) => {
      expect(parsePageToken(formatPageToken({ leafIndex, item }, filter), filter)).toEqual({
        leafIndex,
        item,
      });
    }),
  );
});

test('the order in which a query was written does not matter', () => {
  const token = formatPageToken({ leafIndex: 1, item: 2 }, { joinOutcomes: true, principal: 'user:alice' });
  expect(parsePageToken(token, filter)).toBeDefined();
});

const token = formatPageToken({ leafIndex: 5, item: 1 }, filter);

test.each([
  ['another principal', token, { ...filter, principal: 'user:bob' }],
  ['no join', token, { ...filter, joinOutcomes: false }],
  ['one more condition', token, { ...filter, action: 'x' }],
  ['nothing', '', filter],
  ['a character less', token.slice(1), filter],
  ['a character more', `${token}A`, filter],
  ['characters that are not base64url', token.replace(/.$/, '='), filter],
  ['very long', 'A'.repeat(1_000_000), filter],
  ['a leaf index beyond all', `_____${token.slice(5)}`, filter],
])('a token is refused: %s', (_what, text, asked) => {
  expect(parsePageToken(text, asked)).toBeUndefined();
});

test('total on noise', () => {
  fc.assert(fc.property(fc.string(), (text) => void parsePageToken(text, filter)));
});
