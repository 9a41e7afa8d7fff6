/**
 * A vitest reporter that leaves the numbers of a run as a file, for the summary that `npm test` prints over all packages.
 * Named on the command line (`--reporter`), so that no package has to wire it; does nothing without the variable.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Reporter, TestModule, TestSuite } from 'vitest/node';
import { type PackageReport, reportFileName } from './report.ts';

export default class ResultsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    const directory = process.env['SALLYPORT_TEST_RESULTS'];
    if (directory === undefined) return;
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { name: string };
    const report = summarize(manifest.name, process.cwd(), modules, unhandled);
    mkdirSync(directory, { recursive: true });
    const file = join(directory, reportFileName(manifest.name));
    writeFileSync(`${file}.part`, `${JSON.stringify(report, null, 2)}\n`);
    renameSync(`${file}.part`, file);
  }
}

function summarize(
  name: string,
  root: string,
  modules: readonly TestModule[],
  unhandled: readonly { readonly message: string }[],
): PackageReport {
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const module of modules) {
    const file = relative(root, module.moduleId);
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'skipped') skipped.push(`${file} > ${test.fullName}`);
      else failed.push(`${file} > ${test.fullName}${state === 'failed' ? '' : ' (never finished)'}`);
    }
    // A file that does not load and a hook that throws fail without a failed test.
    const owners: readonly (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
    for (const owner of owners) {
      const [error] = owner.errors();
      if (error === undefined) continue;
      const where = owner.type === 'module' ? file : `${file} > ${owner.fullName}`;
      failed.push(`${where}: ${firstLine(error.message)}`);
    }
  }
  for (const error of unhandled) failed.push(`unhandled error: ${firstLine(error.message)}`);
  return { package: name, passed, failed, skipped };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
