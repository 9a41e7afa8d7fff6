/**
 * `npm test`: runs the packages' tests through turbo, then prints what every package reported; the last line is
 * `N passed, N failed`. Words after `npm test --` choose packages; from the first other word on they go to vitest.
 * SALLYPORT_REQUIRE_ALL=1 makes a skipped test a failure. SALLYPORT_TEST_MINUTES bounds the whole run (default 26).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { planTests } from './testing/plan.ts';
import { parseReport, reportFileName, type PackageReport } from './testing/report.ts';
import { tally } from './testing/tally.ts';
import { readWorkspace } from './testing/workspace.ts';

const root = join(import.meta.dirname, '..');
const results = join(root, 'test-results');
const reporter = join(import.meta.dirname, 'testing', 'reporter.ts');

const plan = planTests(process.argv.slice(2), readWorkspace(root));
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

const limitMinutes = Number(process.env['SALLYPORT_TEST_MINUTES'] ?? 26);
const runnerExitCode = plan.packages.length === 0 ? 0 : await runTurbo();
const reports = new Map(
  plan.packages.flatMap(({ name }) => {
    const report = readReport(name);
    return report === undefined ? [] : [[name, report] as const];
  }),
);
const { lines, ok } = tally({
  packages: plan.packages,
  reports,
  filtered: plan.filtered,
  requireAll: process.env['SALLYPORT_REQUIRE_ALL'] === '1',
  runnerExitCode,
});
process.stdout.write(`\n${lines.join('\n')}\n`);
process.exitCode = ok ? 0 : 1;

function readReport(name: string): PackageReport | undefined {
  try {
    return parseReport(readFileSync(join(results, reportFileName(name)), 'utf8'));
  } catch {
    return undefined; // the tally says that this package reported nothing
  }
}

async function runTurbo(): Promise<number> {
  const turboArguments = [
    'run',
    'test',
    // Two at a time: vitest spreads one package's files over the cores by itself.
    '--concurrency=2',
    '--continue=always',
    '--output-logs=full',
    ...plan.packages.map(({ name }) => `--filter=${name}`),
    '--',
    '--passWithNoTests',
    '--reporter=default',
    `--reporter=${reporter}`,
    ...plan.vitestArguments,
  ];
  const child = spawn(join(root, 'node_modules', '.bin', 'turbo'), turboArguments, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      SALLYPORT_TEST_RESULTS: results,
      TURBO_TELEMETRY_DISABLED: '1',
      TURBO_NO_UPDATE_NOTIFIER: '1',
    },
  });
  const stop = (): void => void child.kill('SIGTERM');
  const overdue = setTimeout(() => {
    process.stderr.write(`\nsallyport: the tests took longer than ${limitMinutes} minutes; stopping them\n`);
    stop();
  }, limitMinutes * 60_000);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      clearTimeout(overdue);
      resolve(code ?? 1);
    });
  });
}
