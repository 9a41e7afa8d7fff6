import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SequenceWindow } from './sequence-window.ts';

function windowAt(...accepted: readonly number[]): SequenceWindow {
  const window = new SequenceWindow();
  for (const sequence of accepted) window.accept(sequence);
  return window;
}

describe('verdicts', () => {
  it.each([
    ['the first', [], 1, 'fresh'],
    ['the first, far', [], 1024, 'fresh'],
    ['the first, too far', [], 1025, 'too_far_ahead'],
    ['sequence 0, which does not exist', [], 0, 'stale'],
    ['a negative one', [], -1, 'stale'],
    ['the same again', [1], 1, 'duplicate'],
    ['one that was skipped', [1, 3], 2, 'fresh'],
    ['one that was skipped and came', [1, 3, 2], 2, 'duplicate'],
    ['H + 1024', [1000], 2024, 'fresh'],
    ['H + 1025', [1000], 2025, 'too_far_ahead'],
    ['H − 1023', [1024, 2048], 1025, 'fresh'],
    ['H − 1024', [1024, 2048], 1024, 'stale'],
    ['far behind', [1024, 2048, 3072], 1, 'stale'],
  ] as const)('%s', (_name, accepted, sequence, verdict) => {
    expect(windowAt(...accepted).verdict(sequence)).toBe(verdict);
  });

  it('change nothing', () => {
    const window = windowAt(5);
    window.verdict(900);
    expect([window.highest, window.verdict(4)]).toEqual([5, 'fresh']);
  });
});

it.each([5, 0, 2000])('never accepts %i after 5: that throws', (sequence) => {
  expect(() => windowAt(5).accept(sequence)).toThrow(RangeError);
});

describe('losses', () => {
  it('are ranges while they may still come', () => {
    expect(windowAt(2, 5, 6, 9).missing(8)).toEqual([
      { first: 1, count: 1 },
      { first: 3, count: 2 },
      { first: 7, count: 2 },
    ]);
    expect(windowAt(2, 5, 6, 9).missing(1)).toEqual([{ first: 1, count: 1 }]);
    expect(windowAt(1, 2, 3).missing(8)).toEqual([]);
  });

  it('are counted once they fall out of the window', () => {
    const window = windowAt(3); // 1 and 2 missing
    expect(window.lost).toBe(0);
    window.accept(1025); // 1 falls out
    expect(window.lost).toBe(1);
    window.accept(2049); // the rest up to 1025 but for 3
    expect(window.lost).toBe(1023);
  });
});

it('agrees with a set that remembers everything', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1100, max: 1100 }), { maxLength: 80 }), (steps) => {
      const window = new SequenceWindow();
      const accepted = new Set<number>();
      for (const step of steps) {
        const highest = Math.max(0, ...accepted);
        const sequence = highest + step;
        const verdict = window.verdict(sequence);
        if (sequence > highest + 1024) expect(verdict).toBe('too_far_ahead');
        else if (sequence < 1 || sequence < highest - 1023) expect(verdict).toBe('stale');
        else expect(verdict).toBe(accepted.has(sequence) ? 'duplicate' : 'fresh');
        if (verdict !== 'fresh') continue;
        window.accept(sequence);
        accepted.add(sequence);
      }
      const top = Math.max(0, ...accepted);
      const inWindow = window.missing(2000).reduce((sum, range) => sum + range.count, 0);
      expect(inWindow + window.lost).toBe(top - accepted.size);
    }),
  );
});
