/** `@modelcontextprotocol/conformance`, its server leg, and what it found: check by check, not only the totals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const SUITE = require.resolve('@modelcontextprotocol/conformance/dist/index.js');

/** Frozen sets of scenarios, each run at its own revision. */
export const REQUIREMENTS = ['2026-07-28', '2025-11-25'] as const;
export type Requirements = (typeof REQUIREMENTS)[number];

export type Status = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED';
export type Check = { readonly id: string; readonly status: Status; readonly problem: string };
/** By the name of the scenario; checks in the order of their ids, which may repeat. */
export type Findings = ReadonlyMap<string, readonly Check[]>;

/** Rejects when the suite itself cannot run. Failing checks are findings. */
export async function runConformance(options: {
  readonly url: string;
  readonly requirements: Requirements;
  /** Empty; results stay there. */
  readonly folder: string;
  readonly timeoutMs: number;
}): Promise<Findings> {
  const { url, requirements, folder, timeoutMs } = options;
  const child = spawn(
    process.execPath,
    [SUITE, 'server', '--url', url, '--requirements', requirements, '--output-dir', folder],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' },
  );
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (signal !== null || !printed.includes('=== SUMMARY ==='))
    throw new Error(`the suite ended with ${signal ?? code}:\n${printed.slice(-4000)}`);
  return readFindings(folder);
}

async function readFindings(folder: string): Promise<Findings> {
  const findings = new Map<string, readonly Check[]>();
  for (const name of await readdir(folder)) {
    // server-<scenario>-<time>, e.g. server-ping-2026-11-23T04-04-35-189Z
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/u.exec(name)?.[1];
    if (scenario === undefined) continue;
    const checks = JSON.parse(await readFile(join(folder, name, 'checks.json'), 'utf8')) as WrittenCheck[];
    findings.set(scenario, checks.flatMap(checkOf).toSorted(byId));
  }
  return findings;
}

type WrittenCheck = { readonly id: string; readonly status: Status | 'INFO'; readonly errorMessage?: string };

/** What is only told (`INFO`) differs from run to run. */
function checkOf({ id, status, errorMessage }: WrittenCheck): Check[] {
  return status === 'INFO' ? [] : [{ id, status, problem: errorMessage ?? '' }];
}

const byId = (one: Check, other: Check): number =>
  one.id.localeCompare(other.id) || one.status.localeCompare(other.status);

/** As a person compares them: one line a check. */
export function linesOf(findings: Findings): string[] {
  return [...findings]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .flatMap(([scenario, checks]) => checks.map(({ id, status }) => `${scenario}: ${id}: ${status}`));
}

/** The lines of what is not as it should be. */
export function problemsOf(findings: Findings): string[] {
  return linesOf(findings).filter((line) => !line.endsWith(': SUCCESS') && !line.endsWith(': SKIPPED'));
}

/** One line for each check that is not the same, `<scenario>: <check>: <alone> → <behind>`, in order; `nothing`: it was not made. */
export function differencesOf(alone: Findings, behind: Findings): string[] {
  const [before, after] = [tally(alone), tally(behind)];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .filter((name) => before.get(name) !== after.get(name))
    .map((name) => `${name}: ${before.get(name) ?? 'nothing'} → ${after.get(name) ?? 'nothing'}`)
    .toSorted();
}

/** What each check of each scenario said, in order where there are several of one name. */
function tally(findings: Findings): Map<string, string> {
  const found = new Map<string, string>();
  for (const [scenario, checks] of findings)
    for (const { id, status } of checks) {
      const name = `${scenario}: ${id}`;
      const said = found.get(name);
      found.set(name, said === undefined ? status : `${said}, ${status}`);
    }
  return found;
}
