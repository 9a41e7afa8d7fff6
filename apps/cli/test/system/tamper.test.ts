/**
 * What somebody changes in the stored log while nobody looks, `audit verify` names.
 *
 * Budget: 60 s on two cores: one system makes a log, then one start for each change, on a copy of its state folder.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPglite, type Database } from '@sallyport/service/database';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand, type Ran } from '../support/command-line.ts';
import { freePortBase } from '../support/ports.ts';
import { eventually, startSystem } from '../support/running-system.ts';
import { json, openSession } from '../support/session.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import type { Home } from '../../src/state/home.ts';

const START_MS = 90_000;
const MESSAGES = 300;

let original: TemporaryHome;

const sallyport = (home: Home, ...args: string[]): Promise<Ran> =>
  runCommand(args, { env: { SALLYPORT_HOME: home.folder, SALLYPORT_PORT_BASE: String(home.ports.https) } });

beforeAll(async () => {
  original = await temporaryHome(await freePortBase());
  const system = await startSystem(original);
  const session = await openSession(original, 'alice');
  // One after the other: a frame and a leaf each, so that there is a whole tile and a partial one.
  for (let index = 0; index < MESSAGES; index += 1) await session.request('echo', json({ index }));
  await session.close();
  await eventually('a log that verifies with every message', async () => {
    const [report] = (await sallyport(original, 'audit', 'verify', '--json')).json() as {
      ok: boolean;
      size: number;
    }[];
    return report?.ok === true && report.size > MESSAGES ? true : undefined;
  });
  expect((await system.stop()).code).toBe(0);
}, START_MS);

afterAll(() => original[Symbol.asyncDispose](), START_MS);

/** The same state on ports of its own. */
async function copied(): Promise<TemporaryHome> {
  const copy = await temporaryHome(await freePortBase());
  await cp(original.folder, copy.folder, { recursive: true, preserveTimestamps: true });
  return copy;
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  const index = at < 0 ? bytes.length + at : at;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function inDatabase(
  home: Home,
  change: (database: Database<unknown>) => Promise<unknown>,
): Promise<void> {
  await using host = await openPglite({ dataDir: home.databaseFolder });
  await using database = await host.forService<unknown>('audit-service');
  await change(database);
}

const oneMessage = sql`(select min(leaf_index) from record where action = 'message.send' and phase = 'decision')`;

/** The tiles that the stored checkpoint's tree ends in (C2SP tlog-tiles: a partial tile names its width). */
async function lastTile(home: Home, level: '0' | 'entries'): Promise<string> {
  const [, size = ''] = (await readFile(join(home.auditLogFolder, 'checkpoint'), 'utf8')).split('\n');
  const [index, width] = [Math.floor(Number(size) / 256), Number(size) % 256];
  // A log that happens to end with a whole tile has no partial one.
  expect(width).toBeGreaterThan(0);
  return join(home.auditLogFolder, 'tile', level, `${String(index).padStart(3, '0')}.p`, String(width));
}

type Finding = { kind: string; where: string; what: string; next: string };

/** Starts on the changed state, verifies, stops. */
async function verifyAfter(
  change: (home: Home) => Promise<unknown>,
): Promise<{ code: number; findings: Finding[]; text: string; doctor: string }> {
  await using home = await copied();
  await change(home);
  await using _ = await startSystem(home);
  const asJson = await sallyport(home, 'audit', 'verify', '--json');
  const asText = await sallyport(home, 'audit', 'verify');
  expect(asText.code).toBe(asJson.code);
  const doctor = await sallyport(home, 'doctor');
  const [report] = asJson.json() as { findings: Finding[] }[];
  return {
    code: asJson.code,
    findings: report?.findings ?? [],
    text: `${asText.out}${asText.err}`,
    doctor: doctor.out,
  };
}

describe('after a change to what is stored', () => {
  test(
    'none: a copy verifies, and remembers what was verified before',
    async () => {
      const { code, findings, text } = await verifyAfter(() => Promise.resolve());
      expect([code, findings]).toEqual([0, []]);
      expect(text).toContain('Consistent with the checkpoint of size');
    },
    START_MS,
  );

  type Change = readonly [
    what: string,
    change: (home: Home) => Promise<unknown>,
    names: RegExp,
    isSeenByDoctor: boolean,
  ];
  const changes: readonly Change[] = [
    [
      'a column of a row, by SQL',
      (home) =>
        inDatabase(home, ({ kysely }) =>
          sql`update record set principal = 'user:mallory' where leaf_index = ${oneMessage}`.execute(kysely),
        ),
      /row[^]*leaf \d+[^]*principal/u,
      false,
    ],
    [
      'a row removed, by SQL',
      (home) =>
        inDatabase(home, ({ kysely }) =>
          sql`delete from record where leaf_index = ${oneMessage}`.execute(kysely),
        ),
      /row[^]*leaf \d+/u,
      false,
    ],
    [
      'a byte of an event, by SQL',
      (home) =>
        inDatabase(home, ({ kysely }) =>
          sql`update leaf set body = set_byte(body, 40, get_byte(body, 40) # 1) where leaf_index = ${oneMessage}`.execute(
            kysely,
          ),
        ),
      /leaf \d+/u,
      false,
    ],
    [
      'a byte of a whole tile',
      async (home) => flip(join(home.auditLogFolder, 'tile', '0', '000'), 33),
      /tile[^]*tile\/0\/000/u,
      true,
    ],
    [
      'a byte of a partial tile',
      async (home) => flip(await lastTile(home, '0'), 5),
      /tile[^]*tile\/0\/x?\d+\.p\/\d+/u,
      true,
    ],
    [
      'a byte of a bundle of entries',
      async (home) => flip(await lastTile(home, 'entries'), 20),
      /tile\/entries/u,
      true,
    ],
    [
      'a byte of the checkpoint',
      (home) => flip(join(home.auditLogFolder, 'checkpoint'), 30),
      /checkpoint/u,
      true,
    ],
    [
      'a byte of the checkpoint’s signature',
      (home) => flip(join(home.auditLogFolder, 'checkpoint'), -10),
      /checkpoint/u,
      true,
    ],
  ];
  test.each(changes)(
    '%s: verify exits 1 and names it',
    async (_, change, names, isSeenByDoctor) => {
      const { code, findings, text, doctor } = await verifyAfter(change);
      expect(code, text).toBe(1);
      expect(findings.length).toBeGreaterThan(0);
      expect(text).toMatch(names);
      expect(text).not.toMatch(/defect/u);
      for (const { where, what, next } of findings) expect([where, what, next]).not.toContain('');
      expect(/PROBLEM audit-service/u.test(doctor)).toBe(isSeenByDoctor);
    },
    START_MS,
  );
});
