/**
 * The ecosystem's own conformance suite, on a server alone and on the same server behind the gateway with authentication on, at
 * each face that it can have there: a gateway that changes nothing changes no check. What fails, and what a face cannot have, is
 * written down beside this file; what is no longer so must be taken out there.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { McpServer } from '@modelcontextprotocol/server';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startConformanceServer, type ConformanceServer } from '../support/conformance-server/http.ts';
import {
  differencesOf,
  linesOf,
  problemsOf,
  REQUIREMENTS,
  runConformance,
  type Findings,
  type Requirements,
} from '../support/conformance-suite.ts';
import { startCredentialShim } from '../support/credential-shim.ts';
import { startDoor, type Door } from '../support/door.ts';
import { temporaryFolder } from '../support/temporary-home.ts';

/** Of one run of one set. Measured: 4 s and 2 s alone; 14 s at most, where each session starts a process. */
const RUN_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 90_000;
const SERVER_MAIN = join(import.meta.dirname, '../support/conformance-server/main.ts');

/** With other names than the first has, so that at the door of all every name stays as it is. */
function secondServer(): McpServer {
  const second = new McpServer({ name: 'second', version: '1.0.0' });
  second.registerTool('second_echo', { description: 'Says nothing.' }, () => ({ content: [] }));
  second.registerPrompt('second_prompt', { description: 'Asks nothing.' }, () => ({ messages: [] }));
  return second;
}

type ByScenario = Readonly<Record<string, readonly string[]>>;
const readBeside = async <T>(name: string): Promise<T> =>
  parse(await readFile(join(import.meta.dirname, name), 'utf8')) as T;
const known = await readBeside<Readonly<Record<Requirements, ByScenario>>>('conformance-known-failures.yaml');

/** Other than a route to the server over HTTP, which changes nothing. */
const OTHER_FACES = ['by stdio', 'among all'] as const;
const differences = await readBeside<
  Readonly<Record<(typeof OTHER_FACES)[number], Readonly<Record<Requirements, ByScenario>>>>
>('conformance-known-differences.yaml');
const FACES = ['over HTTP', ...OTHER_FACES] as const;
type Face = (typeof FACES)[number];

const linesIn = (written: ByScenario): string[] =>
  Object.entries(written).flatMap(([scenario, checks]) => checks.map((check) => `${scenario}: ${check}`));

async function run(url: string, requirements: Requirements): Promise<Findings> {
  await using folder = await temporaryFolder();
  return await runConformance({ url, requirements, folder: folder.path, timeoutMs: RUN_TIMEOUT_MS });
}

/** Every check that passed, so that a suite that ran nothing cannot pass. */
const PASSING: Readonly<Record<Requirements, number>> = { '2026-07-28': 164, '2025-11-25': 84 };

const stack = new AsyncDisposableStack();
let server: ConformanceServer;
let door: Door;
const urls = new Map<Face, string>();
beforeAll(async () => {
  server = stack.use(await startConformanceServer());
  const second = stack.use(await startConformanceServer(0, secondServer));
  const overHttp = { kind: 'http', url: server.url };
  const byStdio = { kind: 'stdio', command: process.execPath, args: [SERVER_MAIN, '--stdio'] };
  door = stack.use(await startDoor({ conformance: overHttp, second: { kind: 'http', url: second.url } }));
  const piped = stack.use(await startDoor({ conformance: byStdio }));
  const all = door.url('').replace(/\/$/u, '');
  urls.set('over HTTP', await shimmed(door, door.url('conformance'), 'conformance'));
  urls.set('by stdio', await shimmed(piped, piped.url('conformance'), 'conformance'));
  urls.set('among all', await shimmed(door, all, all));
}, START_TIMEOUT_MS);
afterAll(() => stack.disposeAsync());

async function shimmed({ ca, token }: Door, target: string, audience: string): Promise<string> {
  return stack.use(await startCredentialShim({ target, ca, issue: () => token(audience) })).url;
}

describe.each(REQUIREMENTS)('conformance to %s', (requirements) => {
  let alone: Findings;

  test('of the server alone', { timeout: RUN_TIMEOUT_MS }, async () => {
    alone = await run(server.url, requirements);
    expect(problemsOf(alone)).toEqual(linesIn(known[requirements]).toSorted());
    expect(linesOf(alone).filter((line) => line.endsWith(': SUCCESS'))).toHaveLength(PASSING[requirements]);
  });

  test.each(FACES)(
    'is the same behind the gateway, check by check: %s',
    { timeout: RUN_TIMEOUT_MS },
    async (face) => {
      const behind = await run(urls.get(face) ?? '', requirements);
      const expected = face === 'over HTTP' ? [] : linesIn(differences[face][requirements]);
      expect(differencesOf(alone, behind)).toEqual(expected.toSorted());
    },
  );
});

test('the suite went through the authenticated door, as alice', async () => {
  const calls = await door.records(50, '--action', 'context.tools.call');
  expect(new Set(calls.map(({ principal }) => principal))).toEqual(new Set(['user:alice']));
  expect(calls.filter(({ decision }) => decision === 'allow').length).toBeGreaterThan(calls.length / 2);
});
