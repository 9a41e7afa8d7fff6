import { expect, test } from 'vitest';
import { TakenSequences } from './taken-sequences.ts';

const from = (first: number, count = 1) =>
  Array.from({ length: count }, (_, index) => ({ sequence: first + index }));

test('a copy is not taken while the guard is asked, nor once it was refused', () => {
  const taken = new TakenSequences();
  expect(taken.take(from(1, 3))).toBe(true);
  expect(taken.take(from(3, 2))).toBe(false);
  taken.refused(from(1, 3));
  expect(taken.take(from(2))).toBe(false);
  expect(taken.take(from(4))).toBe(true);
});

test('what the guard decided it knows again itself', () => {
  const taken = new TakenSequences();
  taken.take(from(1));
  taken.decided(from(1));
  expect(taken.take(from(1))).toBe(true);
});

test.each([
  { what: 'a new session', first: 1 },
  { what: 'a resumed one, whose sequences go on', first: 70_000 },
])('$what is spent after 512 refusals and not before', ({ first }) => {
  const taken = new TakenSequences();
  for (let sequence = first; sequence < first + 512; sequence += 1) {
    expect(taken.areSpent).toBe(false);
    taken.take(from(sequence));
    taken.refused(from(sequence));
  }
  expect(taken.areSpent).toBe(true);
});
