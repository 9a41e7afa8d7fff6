/**
 * What keeps Sallyport from starting: it says what, where and what to do, leaves with 1, and changes nothing.
 *
 * Budget: 60 s on two cores: one system makes the state, each case is one attempt to start on a copy of it.
 */
import { chmod, cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePortBase } from '../support/ports.ts';
import { runProcess, startSystem } from '../support/running-system.ts';
import { json, openSession } from '../support/session.ts';
import { temporaryHome, type TemporaryHome } from '../support/temporary-home.ts';
import { locateHome, type Home } from '../../src/state/home.ts';

const START_MS = 90_000;
const ATTEMPT_MS = 60_000;

let original: TemporaryHome;

beforeAll(async () => {
  original = await temporaryHome(await freePortBase());
  const system = await startSystem(original);
  const session = await openSession(original, 'alice');
  for (let index = 0; index < 20; index += 1) await session.request('echo', json({ index }));
  // Killed at once: its last records are in the spool and not in the log yet.
  system.signal('SIGKILL');
  await system.exited();
}, START_MS);

afterAll(() => original[Symbol.asyncDispose](), START_MS);

async function copied(): Promise<TemporaryHome> {
  const copy = await temporaryHome(await freePortBase());
  await cp(original.folder, copy.folder, { recursive: true, preserveTimestamps: true });
  return copy;
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

async function gatewaySegment(home: Home): Promise<string> {
  const folder = home.spoolFolder('gateway');
  const sized = await Promise.all(
    (await readdir(folder)).map(async (name) => ({
      name,
      size: (await readFile(join(folder, name))).length,
    })),
  );
  const largest = sized.toSorted((a, b) => b.size - a.size)[0];
  return join(folder, largest?.name ?? '');
}

type Case = readonly [what: string, damage: (home: Home) => Promise<unknown>, says: readonly RegExp[]];

const damages: readonly Case[] = [
  [
    'a damaged spool segment',
    async (home) => flip(await gatewaySegment(home), 400),
    [/spool\/gateway\/\S+, byte \d+/u, /Restore|move/u],
  ],
  ['a root key cut short', (home) => truncate(home.rootKeyFile, 31), [/root\.key/u, /32 bytes/u, /Restore/u]],
  [
    'another root key',
    (home) => writeFile(home.rootKeyFile, Buffer.alloc(32, 7)),
    [/root key/u, /restore/iu],
  ],
  ['no root key', (home) => rm(home.rootKeyFile), [/root\.key/u, /missing/u, /Restore/u]],
  ['a root key that others can read', (home) => chmod(home.rootKeyFile, 0o644), [/root\.key/u, /chmod 600/u]],
  ['a trust root of noise', (home) => writeFile(home.caFile, 'noise'), [/ca\.pem/u, /Restore .* or remove/u]],
  [
    'a mistake in sallyport.yaml',
    (home) => writeFile(home.configFile, 'log: loud'),
    [/sallyport\.yaml:1: log/u],
  ],
  [
    'a file where the spool should be',
    async (home) => {
      await rm(home.spoolFolder('gateway'), { recursive: true });
      await writeFile(home.spoolFolder('gateway'), '');
    },
    [/spool\/gateway/u, /file stands where a folder should/u],
  ],
  [
    'a database that is not one',
    async (home) => {
      await writeFile(join(home.databaseFolder, 'global', 'pg_control'), 'noise');
    },
    [/database/u],
  ],
];

describe('on a state folder with', () => {
  test.each(damages)(
    '%s',
    async (what, damage, says) => {
      await using home = await copied();
      await damage(home);
      const before = await fingerprint(home);
      const { code, out, err } = await runProcess(home, ['up'], { timeoutMs: ATTEMPT_MS });
      expect([code, out], err).toEqual([what.includes('yaml') ? 2 : 1, '']);
      for (const part of says) expect(err).toMatch(part);
      expect(err).not.toMatch(/defect|\n +at /u);
      // What was damaged is evidence: it is still there as it was.
      expect(await fingerprint(home)).toEqual(before);
    },
    START_MS,
  );
});

/** The files that no start may write over. */
async function fingerprint(home: Home): Promise<readonly string[]> {
  const files = [home.rootKeyFile, home.caFile, home.caKeyFile, home.logKeyFile];
  return Promise.all(files.map((file) => readFile(file, 'hex').catch(() => 'missing')));
}

describe('on ports of which one is taken', () => {
  test.each(['https', 'channel', 'auth', 'key', 'policy', 'audit'] as const)(
    '%s',
    async (door) => {
      await using home = await copied();
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(home.ports[door], '127.0.0.1', resolve));
      const { code, out, err } = await runProcess(home, ['up'], { timeoutMs: ATTEMPT_MS }).finally(() =>
        other.close(),
      );
      expect([code, out], err).toEqual([1, '']);
      expect(err).toContain(`port ${home.ports[door]} of 127.0.0.1 is in use`);
      expect(err).toMatch(/SALLYPORT_PORT_BASE/u);
      expect(err).not.toMatch(/defect/u);
    },
    START_MS,
  );
});

describe('in a folder that cannot be', () => {
  // Neither can be made by anybody, root included: sysfs(5) takes no folders, and a device is none.
  test.each(['/sys/kernel/sallyport', '/dev/null/sallyport'])(
    '%s',
    async (folder) => {
      const home = locateHome({}, { home: folder, portBase: String(await freePortBase()) });
      const { code, out, err } = await runProcess(home, ['up'], { timeoutMs: ATTEMPT_MS });
      expect([code, out]).toEqual([1, '']);
      expect(err).toContain(folder);
      expect(err).toMatch(/SALLYPORT_HOME/u);
      expect(err).not.toMatch(/defect/u);
    },
    START_MS,
  );
});

test(
  'the state that was copied still starts, and nothing is missing',
  async () => {
    await using home = await copied();
    await using system = await startSystem(home);
    expect(system.err()).not.toMatch(/Cannot start|defect/u);
  },
  START_MS,
);
