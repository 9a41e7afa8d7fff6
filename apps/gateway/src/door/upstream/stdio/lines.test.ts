import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, TextLines } from './child-log.ts';
import { Lines } from './lines.ts';

const all = (lines: Lines, chunks: readonly Uint8Array[]): readonly string[] =>
  chunks.flatMap((chunk) => [...lines.push(chunk)].map((line) => Buffer.from(line).toString('latin1')));

/** The same bytes cut anywhere. */
const cut = (bytes: Uint8Array, at: readonly number[]): readonly Uint8Array[] => {
  const places = [0, ...at.map((each) => each % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
};

test('lines are the same wherever their bytes were cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[^\n\r]{0,20}$/u)),
      fc.array(fc.nat()),
      fc.constantFrom('\n', '\r\n'),
      (lines, places, end) => {
        const bytes = Buffer.from(lines.map((line) => line + end).join(''), 'utf8');
        const expected = lines.map((line) => Buffer.from(line, 'utf8').toString('latin1'));
        expect(all(new Lines(1_000), cut(bytes, places))).toEqual(expected);
      },
    ),
  );
});

test.each([
  ['ended', 'x'.repeat(11) + '\n'],
  ['not ended', 'x'.repeat(11)],
])('a line over the bound is refused, %s', (_, text) => {
  for (const size of [1, 4, 100])
    expect(() => {
      const lines = new Lines(10);
      for (let at = 0; at < text.length; at += size) all(lines, [Buffer.from(text.slice(at, at + size))]);
    }).toThrow(expect.objectContaining({ problem: 'too_large' }) as Error);
});

test('what is logged has no control characters and an end', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
      const shown = printable(text);
      expect(shown).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
      expect(shown.length).toBeLessThanOrEqual(1_025);
    }),
  );
});

test('a line of text that does not end is told in pieces and never held', () => {
  const told: string[] = [];
  const lines = new TextLines((line) => told.push(line));
  for (let count = 0; count < 100; count += 1) lines.push(Buffer.from('x'.repeat(100)));
  lines.push(Buffer.from('\nshort\n'));
  lines.end();
  expect(told.at(-1)).toBe('short');
  expect(told.join('').length).toBe(10_005);
});
