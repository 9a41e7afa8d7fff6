import { expect, test } from 'vitest';
import { fractionDone } from './progress.ts';

test.each([
  ['nothing read', 0, { bytes: 0, lines: 0 }, 100, 0],
  ['all read, nothing answered', 0, { bytes: 100, lines: 10 }, 100, 0],
  ['all read, half answered', 5, { bytes: 100, lines: 10 }, 100, 0.5],
  ['half read, all of that answered', 5, { bytes: 50, lines: 5 }, 100, 0.5],
  ['all answered', 10, { bytes: 100, lines: 10 }, 100, 1],
  ['a last line without an end', 10, { bytes: 100, lines: 9 }, 100, 1],
  ['an empty file', 0, { bytes: 0, lines: 0 }, 0, 0],
])('done of a file: %s', (_, done, read, totalBytes, fraction) => {
  expect(fractionDone(done, read, totalBytes)).toBe(fraction);
});
