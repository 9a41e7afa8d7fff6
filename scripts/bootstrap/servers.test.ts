import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureServers } from './servers.mjs';

type System = NonNullable<Parameters<typeof ensureServers>[0]['system']>;
type Run = System['run'];

let lockDirectory: string;
let said: string[];
let calls: string[];
let installed: Set<string>;
let forbidden: boolean;
beforeEach(() => {
  lockDirectory = mkdtempSync(join(tmpdir(), 'sallyport-servers-'));
  said = [];
  calls = [];
  installed = new Set();
  forbidden = false;
});
afterEach(() => rmSync(lockDirectory, { recursive: true, force: true }));

const say = (line: string): number => said.push(line);
const done = { code: 0, output: '' };

/** An apt-get that installs what it is asked to, once `lists` are there. */
function apt({ lists = true, broken = [] as string[] } = {}): Run {
  let known = lists;
  return async (command, args) => {
    calls.push([command, ...args.filter((arg) => !/^-|^DPkg/.test(arg))].join(' '));
    if (command !== 'apt-get') return done;
    expect(forbidden, 'starts are forbidden while apt-get runs').toBe(true);
    if (args.at(-1) === 'update') {
      known = true;
      return done;
    }
    const wanted = args.slice(args.indexOf('install') + 1);
    if (!known) return { code: 100, output: 'E: Unable to locate package' };
    for (const name of wanted) if (!broken.includes(name)) installed.add(name);
    return broken.length === 0 ? done : { code: 100, output: 'dpkg: error processing' };
  };
}

function machine(overrides: Partial<System> = {}): System {
  return {
    has: (server) => installed.has(server.package),
    root: true,
    apt: true,
    systemd: false,
    run: apt(),
    forbidStarts: () => {
      forbidden = true;
      return () => {
        forbidden = false;
      };
    },
    lockDirectory,
    ...overrides,
  };
}

const all = 'redis-server nats-server postgresql';
const ensure = (system = machine(), env: NodeJS.ProcessEnv = {}) => ensureServers({ say, env, system });

describe('as root on Debian', () => {
  test('installs all that is missing, once, and says so', async () => {
    expect(await ensure()).toEqual({ ok: true, changed: true, missing: [] });
    expect(calls).toEqual([`apt-get install ${all}`]);
    expect(said.join('\n')).toContain('none of them is started');
    expect(forbidden).toBe(false);
    said = [];
    expect(await ensure()).toEqual({ ok: true, changed: false, missing: [] });
    expect([calls.length, said]).toEqual([1, []]);
  });

  test('leaves alone what is there', async () => {
    installed.add('redis-server');
    await ensure(machine({ systemd: true }));
    expect(calls).toEqual([
      'apt-get install nats-server postgresql',
      'systemctl disable nats-server.service postgresql.service',
    ]);
  });

  test('a browser comes with the tests only, and nothing of it is turned off', async () => {
    for (const name of all.split(' ')) installed.add(name);
    expect(await ensure()).toMatchObject({ ok: true, changed: false });
    const system = machine({ systemd: true });
    expect(await ensureServers({ say, env: {}, system, forTests: true })).toMatchObject({ changed: true });
    expect(calls).toEqual(['apt-get install chromium']);
  });

  test('fetches the lists when the first try fails', async () => {
    expect(await ensure(machine({ run: apt({ lists: false }) }))).toMatchObject({ ok: true, changed: true });
    expect(calls).toEqual([`apt-get install ${all}`, 'apt-get update', `apt-get install ${all}`]);
  });

  test('two at once install once', async () => {
    const results = await Promise.all([ensure(), ensure()]);
    expect(results.map((result) => result.ok && result.changed)).toEqual([true, false]);
    expect(calls).toHaveLength(1);
  });

  test('a failed install is told with its end, and the rest goes on', async () => {
    const run = apt({ broken: ['postgresql'] });
    expect(await ensure(machine({ run }))).toEqual({ ok: true, changed: false, missing: ['postgresql'] });
    expect(said.join('\n')).toMatch(
      /could not install postgres [^]*dpkg: error processing[^]*skipped by name/,
    );
    expect(forbidden).toBe(false);
  });

  test('an apt-get that cannot be run leaves no policy behind', async () => {
    const run = async (): Promise<never> => Promise.reject(new Error('mine'));
    await expect(ensure(machine({ run }))).rejects.toThrow('mine');
    expect(forbidden).toBe(false);
  });
});

describe('what it may not do, it says', () => {
  const rows: readonly [string, Partial<System>, NodeJS.ProcessEnv, string][] = [
    ['without root', { root: false }, {}, `As root: apt-get install --no-install-recommends ${all}`],
    ['told not to', {}, { SALLYPORT_INSTALL_SERVERS: '0' }, `apt-get install --no-install-recommends ${all}`],
    ['without apt', { apt: false }, {}, 'Install redis-server, nats-server, postgres with'],
  ];
  test.each(rows)('%s: and goes on', async (_, system, env, text) => {
    const missing = all.split(' ');
    expect(await ensure(machine(system), env)).toEqual({ ok: true, changed: false, missing });
    expect(said.join('\n')).toContain(text);
    expect(calls).toEqual([]);
  });

  test.each(rows)('%s: and fails where all are required', async (_, system, env, text) => {
    const result = await ensure(machine(system), { ...env, SALLYPORT_REQUIRE_ALL: '1' });
    expect(result).toMatchObject({ ok: false, problem: expect.stringContaining(text) as string });
  });

  test('a failed install fails where all are required', async () => {
    const run = apt({ broken: ['nats-server'] });
    expect(await ensure(machine({ run }), { SALLYPORT_REQUIRE_ALL: '1' })).toMatchObject({
      ok: false,
      problem: expect.stringContaining('nats-server not installed') as string,
    });
  });
});
