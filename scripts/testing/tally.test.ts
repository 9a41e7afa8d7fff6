import { describe, expect, test } from 'vitest';
import type { PackageReport } from './report.ts';
import { tally, type TallyInput } from './tally.ts';

const packages = [
  { name: 'a', folder: 'packages/a', testFiles: 2 },
  { name: 'b', folder: 'packages/b', testFiles: 1 },
];

function run(reports: readonly Partial<PackageReport>[], options: Partial<TallyInput> = {}) {
  const full = reports.map((report, index): [string, PackageReport] => {
    const name = packages[index]?.name ?? '';
    return [name, { package: name, passed: 0, failed: [], skipped: [], ...report }];
  });
  return tally({
    packages,
    reports: new Map(full),
    filtered: false,
    requireAll: false,
    runnerExitCode: 0,
    ...options,
  });
}

describe('tally', () => {
  test('ends with the sum over all packages', () => {
    expect(run([{ passed: 3 }, { passed: 4 }])).toEqual({ lines: ['7 passed, 0 failed'], ok: true });
  });

  const bad: readonly [string, readonly Partial<PackageReport>[], Partial<TallyInput>, string][] = [
    ['a failed test', [{ passed: 3, failed: ['x > y'] }, { passed: 4 }], {}, 'FAILED   a: x > y'],
    [
      'a package without a report',
      [{ passed: 3 }],
      {},
      'FAILED   b: no report; its tests (1 files) died or never ran',
    ],
    [
      'a package that has test files and reports no test',
      [{ passed: 3 }, {}],
      {},
      'FAILED   b: has 1 test files and reported no test',
    ],
    [
      'a runner that fails behind good reports',
      [{ passed: 3 }, { passed: 4 }],
      { runnerExitCode: 1 },
      'FAILED   the runner ended with 1 though every report is good',
    ],
    ['a filter that leaves nothing', [{}, {}], { filtered: true }, 'FAILED   no test ran'],
    [
      'a skipped test where all are required',
      [{ passed: 3, skipped: ['x > z'] }, { passed: 4 }],
      { requireAll: true },
      'FAILED   a: x > z (skipped)',
    ],
  ];
  for (const [what, reports, options, line] of bad)
    test(`fails for ${what}`, () => {
      const verdict = run(reports, options);
      expect(verdict.ok).toBe(false);
      expect(verdict.lines).toContain(line);
      expect(verdict.lines.at(-1)).toMatch(/^\d+ passed, 1 failed$/);
    });

  test('names skipped tests and still passes without requireAll', () => {
    expect(run([{ passed: 3, skipped: ['x > z'] }, { passed: 4 }])).toEqual({
      lines: ['skipped  a: x > z', '1 skipped', '7 passed, 0 failed'],
      ok: true,
    });
  });

  test('does not hold the tests that a filter left out against the run', () => {
    const verdict = run([{ passed: 1, skipped: ['x > z'] }, {}], { filtered: true, requireAll: true });
    expect(verdict).toEqual({ lines: ['1 skipped', '1 passed, 0 failed'], ok: true });
  });
});
