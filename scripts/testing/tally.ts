/** The verdict over all packages, and the lines that say it. */
import type { WorkspacePackage } from './plan.ts';
import type { PackageReport } from './report.ts';

export interface TallyInput {
  /** Every package that was to run. */
  readonly packages: readonly WorkspacePackage[];
  /** The reports found; a missing one is a package that died, or never ran. */
  readonly reports: ReadonlyMap<string, PackageReport>;
  /** Whether tests were left out on purpose; then a package may report none. */
  readonly filtered: boolean;
  /** Whether a skipped test fails the run, as in CI where everything it needs is installed. */
  readonly requireAll: boolean;
  /** Exit code of the runner; a failure that no report explains is one by itself. */
  readonly runnerExitCode: number;
}

export interface Tally {
  /** Ends with `N passed, N failed`. */
  readonly lines: readonly string[];
  readonly ok: boolean;
}

/** Counts from the reports alone: what nobody reported did not pass. */
export function tally({ packages, reports, filtered, requireAll, runnerExitCode }: TallyInput): Tally {
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const { name, testFiles } of packages) {
    const report = reports.get(name);
    if (report === undefined) {
      failed.push(`${name}: no report; its tests (${testFiles} files) died or never ran`);
      continue;
    }
    const { length } = report.failed;
    if (!filtered && report.passed + length + report.skipped.length === 0)
      failed.push(`${name}: has ${testFiles} test files and reported no test`);
    passed += report.passed;
    failed.push(...report.failed.map((test) => `${name}: ${test}`));
    (requireAll && !filtered ? failed : skipped).push(
      ...report.skipped.map((test) => `${name}: ${test}${requireAll && !filtered ? ' (skipped)' : ''}`),
    );
  }
  if (runnerExitCode !== 0 && failed.length === 0)
    failed.push(`the runner ended with ${runnerExitCode} though every report is good`);
  if (passed === 0 && failed.length === 0) failed.push('no test ran');
  const listed = filtered ? [] : skipped.map((test) => `skipped  ${test}`);
  return {
    lines: [
      ...listed,
      ...failed.map((test) => `FAILED   ${test}`),
      ...(skipped.length > 0 ? [`${skipped.length} skipped`] : []),
      `${passed} passed, ${failed.length} failed`,
    ],
    ok: failed.length === 0,
  };
}
