import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../exit.ts';
import { DEFAULT_PORT_BASE, locateHome } from './home.ts';

describe('the folder', () => {
  const rows: readonly [string, Record<string, string>, { home?: string }, string][] = [
    ['by default', {}, {}, '.sallyport'],
    ['from SALLYPORT_HOME', { SALLYPORT_HOME: '/a/b' }, {}, '/a/b'],
    ['from --home, which wins', { SALLYPORT_HOME: '/a/b' }, { home: 'c' }, 'c'],
  ];
  test.each(rows)('%s', (_, env, given, folder) => {
    const home = locateHome(env, given);
    expect(home.folder).toBe(resolve(folder));
    expect(home.caFile).toBe(join(home.folder, 'ca.pem'));
  });
});

describe('the ports', () => {
  test('follow from the base, in the order of the design', () => {
    expect(locateHome({ SALLYPORT_PORT_BASE: '9000' }).ports).toEqual({
      https: 9000,
      channel: 9001,
      auth: 9002,
      key: 9003,
      policy: 9004,
      audit: 9005,
      signIn: 9006,
    });
  });

  const bases: readonly [string, Record<string, string>, { portBase?: string }, number][] = [
    ['by default', {}, {}, DEFAULT_PORT_BASE],
    ['an empty variable counts as unset', { SALLYPORT_PORT_BASE: '' }, {}, DEFAULT_PORT_BASE],
    ['--port-base wins', { SALLYPORT_PORT_BASE: '9000' }, { portBase: '9100' }, 9100],
    ['the last that leaves room', {}, { portBase: '65529' }, 65_529],
  ];
  test.each(bases)('%s', (_, env, given, base) => expect(locateHome(env, given).ports.https).toBe(base));

  test.each(['0', '-1', '65530', '70000', '8443.5', 'http', '1e3x'])('"%s" is refused', (portBase) => {
    expect(() => locateHome({}, { portBase })).toThrow(UsageError);
    expect(() => locateHome({}, { portBase })).toThrow(/SALLYPORT_PORT_BASE.*65529/);
  });
});

test('no two things of the state folder share a path', () => {
  const home = locateHome({});
  const paths = [
    home.caFile,
    home.caKeyFile,
    home.logKeyFile,
    home.configFile,
    home.databaseFolder,
    home.rootKeyFile,
    home.auditLogFolder,
    home.bundleFolder,
    home.clientFolder,
    ...Object.values(home.identityFiles('x')),
    ...Object.values(home.serviceFiles('x')),
    home.pskFile('x'),
    home.spoolFolder('x'),
  ];
  expect(new Set(paths).size).toBe(paths.length);
  for (const path of paths) expect(path.startsWith(`${home.folder}/`)).toBe(true);
});
