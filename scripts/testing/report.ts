/** What one package's test run writes for the summary: one JSON file per package in `$SALLYPORT_TEST_RESULTS`. */
export interface PackageReport {
  /** The package's name. */
  readonly package: string;
  readonly passed: number;
  /** Full names (`file > suite > test`) of tests, suites and files that failed, with unhandled errors as entries of their own. */
  readonly failed: readonly string[];
  /** Full names of tests that were skipped or are still to be written. */
  readonly skipped: readonly string[];
}

/** The file in the results folder that holds the report of a package. */
export function reportFileName(packageName: string): string {
  return `${packageName.replace(/^@/, '').replaceAll('/', '__')}.json`;
}

/**
 * Reads a report back.
 * @throws {Error} when the text is not a report, as after a run that died while writing
 */
export function parseReport(text: string): PackageReport {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('not an object');
  const { package: name, passed, failed, skipped } = value as Record<string, unknown>;
  const isNames = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((item) => typeof item === 'string');
  if (typeof name !== 'string' || !Number.isSafeInteger(passed) || !isNames(failed) || !isNames(skipped))
    throw new Error('a field is missing or of another type');
  return { package: name, passed: passed as number, failed, skipped };
}
