/**
 * The ecosystem's own conformance suite, on a server alone and on the same server behind the gateway with authentication on:
 * a gateway that changes nothing changes no check. What fails is written down beside this file; what no longer fails must be
 * taken out there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { startConformanceServer } from '../support/conformance-server/http.ts';
import {
  linesOf,
  problemsOf,
  REQUIREMENTS,
  runConformance,
  type Findings,
  type Requirements,
} from '../support/conformance-suite.ts';
import { temporaryFolder } from '../support/temporary-home.ts';

/** Of one run of one set. Measured: 4 s and 2 s alone. */
const RUN_TIMEOUT_MS = 40_000;

const known = parse(
  await readFile(join(import.meta.dirname, 'conformance-known-failures.yaml'), 'utf8'),
) as Readonly<Record<Requirements, Readonly<Record<string, readonly string[]>> | null>>;

const knownLines = (requirements: Requirements): string[] =>
  Object.entries(known[requirements] ?? {}).flatMap(([scenario, checks]) =>
    checks.map((check) => `${scenario}: ${check}`),
  );

async function run(url: string, requirements: Requirements): Promise<Findings> {
  await using folder = await temporaryFolder();
  return await runConformance({ url, requirements, folder: folder.path, timeoutMs: RUN_TIMEOUT_MS });
}

/** Every check that passed, so that a suite that ran nothing cannot pass. */
const PASSING: Readonly<Record<Requirements, number>> = { '2026-07-28': 164, '2025-11-25': 84 };

describe.each(REQUIREMENTS)('conformance to %s', (requirements) => {
  test('of the server alone', { timeout: RUN_TIMEOUT_MS }, async () => {
    await using server = await startConformanceServer();
    const findings = await run(server.url, requirements);
    expect(problemsOf(findings)).toEqual(knownLines(requirements).toSorted());
    expect(linesOf(findings).filter((line) => line.endsWith(': SUCCESS'))).toHaveLength(
      PASSING[requirements],
    );
  });
});
