import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePattern, parseSubject, subjectMatches } from './subject.ts';

const matching: readonly [string, string, boolean][] = [
  ['a', 'a', true],
  ['a', 'b', false],
  ['a', 'a.b', false],
  ['a.b', 'a', false],
  ['a.*', 'a.b', true],
  ['a.*', 'a', false],
  ['a.*', 'a.b.c', false],
  ['*.b', 'a.b', true],
  ['*', 'a', true],
  ['*.*', 'a.b', true],
  ['a.>', 'a.b', true],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['>', 'a', true],
  ['>', 'a.b', true],
  ['a.*.>', 'a.b.c', true],
  ['a.*.>', 'a.b', false],
];
test.each(matching)('%s against %s is %s', (pattern, subject, expected) => {
  expect(subjectMatches(parsePattern(pattern), parseSubject(subject))).toBe(expected);
});

const badSubjects = ['', '.', 'a.', '.a', 'a..b', 'a.*', '>', 'a b', 'a\n', 'ä', 'a'.repeat(256)];
test.each(badSubjects)('subject %j is refused', (subject) => {
  expect(() => parseSubject(subject)).toThrow(expect.objectContaining({ kind: 'invalid' }));
});

test.each(['', 'a..b', '>.a', 'a*', 'a>', '**', 'a. ', 'a'.repeat(256)])(
  'pattern %j is refused',
  (pattern) => {
    expect(() => parsePattern(pattern)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  },
);

test('every subject matches itself, itself with any one token starred, and >', () => {
  const subjects = fc.array(fc.stringMatching(/^[a-z0-9_-]{1,8}$/), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(subjects, fc.nat(), (tokens, seed) => {
      const starred = tokens.with(seed % tokens.length, '*');
      for (const pattern of [tokens, starred, ['>']]) expect(subjectMatches(pattern, tokens)).toBe(true);
      expect(subjectMatches([...tokens, '>'], tokens)).toBe(false);
    }),
  );
});
