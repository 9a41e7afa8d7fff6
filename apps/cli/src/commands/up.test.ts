import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { locateHome } from '../state/home.ts';
import { readyText } from './up.ts';

const commandsIn = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('  npx sallyport'))
    .map((line) => line.trim());

const door = { origin: 'https://localhost:8443', routes: ['everything'], takesBearerTokens: true };

describe('what a ready system prints', () => {
  test('endpoints, trust root, every development identity with its roles', () => {
    const text = readyText(locateHome({}), '1.2', door);
    for (const part of [
      'ready (1.2 s)',
      'https://localhost:8443/readyz',
      'localhost:8444 (gRPC)',
      resolve('.sallyport/ca.pem'),
      '--as admin    user:admin       roles: admin, auditor, sender, context-user',
      '--as alice    user:alice       roles: sender, context-user',
      '--as guest    user:guest       roles: guest',
      '--psk batch   workload:batch   roles: sender',
      '  everything        https://localhost:8443/mcp/everything\n',
      `sign in as        alice, password in ${resolve('.sallyport/identities/alice.password')}`,
      'npx sallyport token --as alice --audience everything\n',
      `NODE_EXTRA_CA_CERTS='${resolve('.sallyport/ca.pem')}' npx mcp-remote https://localhost:8443/mcp/everything`,
    ]) {
      expect(text).toContain(part);
    }
  });

  test('a configuration that clients read, as JSON on one line', () => {
    const line = readyText(locateHome({}), '1.2', door)
      .split('\n')
      .find((each) => each.includes('mcpServers'));
    expect(JSON.parse(line ?? '')).toEqual({
      mcpServers: {
        sallyport: {
          command: 'npx',
          args: ['mcp-remote', 'https://localhost:8443/mcp/everything'],
          env: { NODE_EXTRA_CA_CERTS: resolve('.sallyport/ca.pem') },
        },
      },
    });
  });

  test('servers of its own, and what a door says that takes bound tokens only', () => {
    const other = {
      origin: 'https://door.example.org',
      routes: ['files', 'search'],
      takesBearerTokens: false,
    };
    const text = readyText(locateHome({}), '1.2', other);
    expect(text).toContain('  files             https://door.example.org/mcp/files\n');
    expect(text).toContain('  search            https://door.example.org/mcp/search\n');
    expect(text).toContain('{ allowBearerTokens: true, allowDynamicRegistration: true }');
    expect(text).not.toMatch(/everything|mcp-remote/u);
  });

  const homes: readonly [string, Record<string, string>, string][] = [
    ['by default need no flags', {}, ''],
    ['with another folder name it', { SALLYPORT_HOME: '/srv/my state' }, " --home '/srv/my state'"],
    [
      'with a quote in the folder still hold',
      { SALLYPORT_HOME: "/srv/o'state" },
      ` --home '/srv/o'\\''state'`,
    ],
    ['with other ports name them', { SALLYPORT_PORT_BASE: '9000' }, ' --port-base 9000'],
    [
      'with both name both',
      { SALLYPORT_HOME: '/s', SALLYPORT_PORT_BASE: '9000' },
      " --home '/s' --port-base 9000",
    ],
  ];
  test.each(homes)('its commands %s', (_, env, flags) => {
    expect(commandsIn(readyText(locateHome(env), '1.2', door))).toEqual([
      `npx sallyport send echo '{"hello":"world"}'${flags}`,
      `npx sallyport audit query --since 5m${flags}`,
      `npx sallyport audit verify${flags}`,
    ]);
  });
});
