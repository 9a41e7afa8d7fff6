import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../src/clock/index.ts';
import { lockStateFolder, StateFolderError } from '../../src/state-folder/index.ts';

const options = { clock: manualClock(Date.UTC(2026, 10, 22)), pid: 4242 };
const holder = fileURLToPath(new URL('./holder.ts', import.meta.url));
const children: ChildProcess[] = [];
let base: string;
let folder: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sallyport-state-'));
  folder = join(base, 'home');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true });
});

/** A real process that tries to lock `path`; its first line of output. */
async function start(path: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ['--expose-gc', holder, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) return { child, line };
  throw new Error('the holder said nothing');
}

function refusal(path = folder): StateFolderError {
  try {
    lockStateFolder(path, options).release();
  } catch (error) {
    if (error instanceof StateFolderError) return error;
    throw error;
  }
  throw new Error('not refused');
}

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe('locking', () => {
  test('the folder is made for its owner only, parents included', () => {
    using state = lockStateFolder(join(folder, 'deep'), options);
    expect([
      mode(state.path),
      mode(folder),
      mode(join(state.path, 'lock.db')),
      mode(join(state.path, 'owner.json')),
    ]).toEqual(['700', '700', '600', '600']);
    expect(state.notices).toEqual([]);
  });

  test('a second process is told the folder, the owner and what to do', async () => {
    const first = await start(folder);
    await new Promise((resolve) => setTimeout(resolve, 50)); // the holder collects garbage meanwhile
    const second = await start(folder);
    expect(first.line).toBe('locked');
    expect(JSON.parse(second.line)).toMatchObject({ kind: 'locked', ownerPid: first.child.pid });
    for (const part of [folder, String(first.child.pid), 'SALLYPORT_HOME'])
      expect(second.line).toContain(part);
  });

  test('this process is refused while a child holds it, and vice versa', async () => {
    const { child } = await start(folder);
    expect(refusal()).toMatchObject({ kind: 'locked', ownerPid: child.pid });
    const other = join(base, 'other');
    using _ = lockStateFolder(other, options);
    expect(JSON.parse((await start(other)).line)).toMatchObject({ kind: 'locked', ownerPid: 4242 });
  });

  test('a second lock in the same process is refused', () => {
    using _ = lockStateFolder(folder, options);
    expect(refusal()).toMatchObject({ kind: 'locked', ownerPid: 4242 });
  });

  test('SIGKILL frees it at once', async () => {
    const { child } = await start(folder);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    lockStateFolder(folder, options).release();
  });

  test('release frees it and removes the name, twice does no harm', () => {
    const state = lockStateFolder(folder, options);
    state.release();
    state.release();
    expect(existsSync(join(folder, 'owner.json'))).toBe(false);
    lockStateFolder(folder, options).release();
  });

  test.each(['', '{', 'null', '[]', '{"pid":"1","startedAt":"x"}', '{"pid":1.5,"startedAt":"x"}'])(
    'an owner file of %j spoils only the message',
    (content) => {
      using _ = lockStateFolder(folder, options);
      writeFileSync(join(folder, 'owner.json'), content);
      expect(refusal()).toMatchObject({ kind: 'locked', ownerPid: undefined });
    },
  );

  test('reached through a symbolic link it is the same folder', () => {
    mkdirSync(folder, { mode: 0o700 });
    const link = join(base, 'link');
    symlinkSync(folder, link);
    using state = lockStateFolder(link, options);
    expect(state.path).toBe(folder);
    expect(refusal().kind).toBe('locked');
  });
});

describe('what is unsafe or unusable', () => {
  test.each([0o755, 0o750, 0o707, 0o777])('mode %o is repaired with a notice', (open) => {
    mkdirSync(folder);
    chmodSync(folder, open);
    using state = lockStateFolder(folder, options);
    expect(mode(folder)).toBe('700');
    expect(state.notices).toHaveLength(1);
    expect(state.notices[0]).toContain(open.toString(8));
  });

  test('a parent that others may write to is named', () => {
    const parent = join(base, 'open');
    mkdirSync(parent);
    chmodSync(parent, 0o777);
    using state = lockStateFolder(join(parent, 'home'), options);
    expect(state.notices[0]).toContain(parent);
  });

  test('a file in its place', () => {
    writeFileSync(folder, '');
    expect(refusal()).toMatchObject({ kind: 'unusable', path: folder });
  });

  test('a lock file that is a symbolic link', () => {
    mkdirSync(folder, { mode: 0o700 });
    symlinkSync('/dev/null', join(folder, 'lock.db'));
    expect(refusal().kind).toBe('unsafe');
  });

  test('a lock file that is not a database', () => {
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'lock.db'), 'x'.repeat(4096));
    expect(refusal().kind).toBe('unusable');
  });

  test('a lock file that is a folder', () => {
    mkdirSync(join(folder, 'lock.db'), { recursive: true, mode: 0o700 });
    expect(refusal().kind).toBe('unusable');
  });
});
