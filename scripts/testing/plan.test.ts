import { describe, expect, test } from 'vitest';
import { planTests } from './plan.ts';

const workspace = [
  { name: 'sallyport', folder: 'apps/cli', testFiles: 2 },
  { name: '@sallyport/crypto', folder: 'packages/crypto', testFiles: 7 },
  { name: '@sallyport/bench', folder: 'bench', testFiles: 0 },
];

const names = (words: readonly string[]): string[] =>
  planTests(words, workspace).packages.map(({ name }) => name);

describe('planTests', () => {
  test('runs every package that has test files when no word is given', () => {
    expect(names([])).toEqual(['sallyport', '@sallyport/crypto']);
  });

  for (const word of ['crypto', 'packages/crypto', 'packages/crypto/', '@sallyport/crypto'])
    test(`takes ${word} for the package`, () => {
      expect(names([word])).toEqual(['@sallyport/crypto']);
    });

  test('hands everything from the first other word on to vitest', () => {
    const plan = planTests(['cli', '-t', 'crypto'], workspace);
    expect(plan.packages.map(({ name }) => name)).toEqual(['sallyport']);
    expect(plan.vitestArguments).toEqual(['-t', 'crypto']);
    expect(plan.filtered).toBe(true);
  });

  test('leaves the choice of packages open when vitest filters', () => {
    expect(names(['merkle'])).toEqual(['sallyport', '@sallyport/crypto']);
  });
});
