// The bootstrap as a program, in a small checkout, with an npm that installs a few files or fails on demand.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const scripts = join(import.meta.dirname, '..');
let checkout: string;

function write(path: string, content: string): void {
  mkdirSync(join(checkout, path, '..'), { recursive: true });
  writeFileSync(join(checkout, path), content);
}

function fakeNpm(script: string): void {
  write('path/npm', `#!/bin/sh\n${script}\n`);
  chmodSync(join(checkout, 'path/npm'), 0o755);
}

const INSTALLS = `
echo "npm $*" >> calls
mkdir -p node_modules/.bin
ln -sf ${process.execPath} node_modules/.bin/node
touch node_modules/.bin/pnpm node_modules/.bin/turbo node_modules/.bin/vitest`;

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[], nodeOptions = ''): { child: ChildProcess; end: Promise<End> } {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [join(checkout, 'scripts/bootstrap.mjs'), ...args], {
    cwd: checkout,
    env: {
      ...process.env,
      PATH: `${join(checkout, 'path')}${delimiter}${PATH}`,
      NODE_OPTIONS: nodeOptions,
      // These tests install nothing on the machine, whatever is missing there.
      SALLYPORT_INSTALL_SERVERS: '0',
      SALLYPORT_REQUIRE_ALL: '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const end = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return { child, end };
}

beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), 'sallyport-bootstrap-'));
  cpSync(join(scripts, 'bootstrap.mjs'), join(checkout, 'scripts/bootstrap.mjs'));
  cpSync(join(scripts, 'bootstrap'), join(checkout, 'scripts/bootstrap'), { recursive: true });
  write('package.json', '{ "packageManager": "pnpm@1.2.3", "type": "module" }');
  write('pnpm-lock.yaml', 'lock');
  write('pnpm-workspace.yaml', 'packages:\n  - apps/*\n');
  write('apps/cli/bin/sallyport.js', 'console.log(JSON.stringify(process.argv.slice(2)));');
});
afterEach(() => rmSync(checkout, { recursive: true, force: true }));

describe('bootstrap', () => {
  test('installs, says so, and hands the arguments to sallyport up', async () => {
    fakeNpm(INSTALLS);
    const first = await start(['start', '--route', 'a=b c']).end;
    expect(first).toMatchObject({ code: 0, stdout: '["up","--route","a=b c"]\n' });
    expect(first.stderr).toContain('installing with pnpm 1.2.3');
    const second = await start(['start']).end;
    expect(second).toMatchObject({ code: 0, stdout: '["up"]\n', stderr: '' });
  });

  test('setup installs and starts nothing', async () => {
    fakeNpm(INSTALLS);
    expect(await start(['setup']).end).toMatchObject({ code: 0, stdout: '' });
    expect(existsSync(join(checkout, 'node_modules/.sallyport-stamp'))).toBe(true);
  });

  test('without a network it says what to do, fails, and claims nothing', async () => {
    fakeNpm('echo "npm error code ENOTFOUND" >&2; exit 1');
    const { code, stdout, stderr } = await start(['start']).end;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('the package registry could not be reached');
    expect(existsSync(join(checkout, 'node_modules/.sallyport-stamp'))).toBe(false);
  });

  test('two at once install once', async () => {
    fakeNpm(`sleep 0.3${INSTALLS}`);
    const [one, two] = await Promise.all([start(['setup']).end, start(['setup']).end]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(`${one.stderr}${two.stderr}`.match(/installing with/g)).toHaveLength(1);
  });

  test('interrupted while it installs, it stops and claims nothing', async () => {
    fakeNpm(`touch started; exec sleep 30`);
    const { child, end } = start(['setup']);
    while (!existsSync(join(checkout, 'started'))) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGTERM');
    expect((await end).code).toBe(1);
    expect(existsSync(join(checkout, 'node_modules/.sallyport-stamp'))).toBe(false);
  });

  test('an unknown command is explained', async () => {
    const { code, stderr } = await start(['strat']).end;
    expect(code).toBe(2);
    expect(stderr).toContain('npm start');
  });

  test('an old Node gets a sentence', async () => {
    write('old.cjs', "Object.defineProperty(process, 'versions', { value: { node: '18.20.0' } });");
    const { code, stderr } = await start(['start'], `--require ${join(checkout, 'old.cjs')}`).end;
    expect(code).toBe(1);
    expect(stderr).toContain('needs Node.js 20 or newer to start; this is 18.20.0');
  });
});
