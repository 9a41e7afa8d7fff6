/**
 * The ecosystem's own conformance suite, on a server alone and on the same server behind the gateway with authentication on:
 * a gateway that changes nothing changes no check. What fails is written down beside this file; what no longer fails must be
 * taken out there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConformanceServer, type ConformanceServer } from '../support/conformance-server/http.ts';
import {
  linesOf,
  problemsOf,
  REQUIREMENTS,
  runConformance,
  type Findings,
  type Requirements,
} from '../support/conformance-suite.ts';
import { startCredentialShim, type Shim } from '../support/credential-shim.ts';
import { startDoor, type Door } from '../support/door.ts';
import { temporaryFolder } from '../support/temporary-home.ts';

/** Of one run of one set. Measured: 4 s and 2 s alone. Four runs and a start: 120 s at most, 30 s as measured. */
const RUN_TIMEOUT_MS = 40_000;
const START_TIMEOUT_MS = 60_000;

type ByScenario = Readonly<Record<string, readonly string[]>>;
const known = parse(
  await readFile(join(import.meta.dirname, 'conformance-known-failures.yaml'), 'utf8'),
) as Readonly<Record<Requirements, ByScenario>>;

const linesIn = (written: ByScenario): string[] =>
  Object.entries(written).flatMap(([scenario, checks]) => checks.map((check) => `${scenario}: ${check}`));

async function run(url: string, requirements: Requirements): Promise<Findings> {
  await using folder = await temporaryFolder();
  return await runConformance({ url, requirements, folder: folder.path, timeoutMs: RUN_TIMEOUT_MS });
}

/** Every check that passed, so that a suite that ran nothing cannot pass. */
const PASSING: Readonly<Record<Requirements, number>> = { '2026-07-28': 164, '2025-11-25': 84 };

let server: ConformanceServer;
let door: Door;
let shim: Shim;
beforeAll(async () => {
  server = await startConformanceServer();
  door = await startDoor({ conformance: { kind: 'http', url: server.url } });
  shim = await startCredentialShim({
    target: door.url('conformance'),
    ca: door.ca,
    issue: () => door.token('conformance'),
  });
}, START_TIMEOUT_MS);
afterAll(async () => {
  await shim?.[Symbol.asyncDispose]();
  await door?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

describe.each(REQUIREMENTS)('conformance to %s', (requirements) => {
  let alone: Findings;

  test('of the server alone', { timeout: RUN_TIMEOUT_MS }, async () => {
    alone = await run(server.url, requirements);
    expect(problemsOf(alone)).toEqual(linesIn(known[requirements]).toSorted());
    expect(linesOf(alone).filter((line) => line.endsWith(': SUCCESS'))).toHaveLength(PASSING[requirements]);
  });

  test('is the same behind the gateway, check by check', { timeout: RUN_TIMEOUT_MS }, async () => {
    const behind = await run(shim.url, requirements);
    expect(linesOf(behind)).toEqual(linesOf(alone));
  });
});

test('the suite went through the authenticated door, as alice', async () => {
  const calls = await door.records(50, '--action', 'context.tools.call');
  expect(new Set(calls.map(({ principal }) => principal))).toEqual(new Set(['user:alice']));
  expect(calls.filter(({ decision }) => decision === 'allow').length).toBeGreaterThan(calls.length / 2);
});
