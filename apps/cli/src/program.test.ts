import type { Command } from 'commander';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jsonLines, runCommand } from '../test/support/command-line.ts';
import { temporaryHome } from '../test/support/temporary-home.ts';
import { createOutput } from './output.ts';
import { buildProgram } from './program.ts';

const silent = { write: () => undefined };

/** Every command that runs something, with the words that lead to it. */
function leaves(
  command: Command,
  words: readonly string[] = [],
): { words: readonly string[]; command: Command }[] {
  if (command.commands.length === 0) return [{ words, command }];
  return command.commands.flatMap((child) => leaves(child, [...words, child.name()]));
}

const program = buildProgram(
  { args: [], env: {}, out: silent, err: silent, signal: new AbortController().signal },
  createOutput({ json: false, out: silent, err: silent }),
);
const commands = leaves(program).map(({ words, command }) => [words.join(' '), command] as const);

describe('help', () => {
  test('there is one for every command of the issue', () => {
    expect(commands.map(([name]) => name)).toEqual([
      'up',
      'send',
      'audit query',
      'audit tail',
      'audit verify',
      'audit prove',
      'policy role list',
      'policy role show',
      'policy role put',
      'policy role delete',
      'policy bindings',
      'policy bind',
      'policy unbind',
      'policy check',
      'policy status',
      'tools list',
      'tools show',
      'tools approve',
      'tools reject',
      'keys list',
      'keys rotate',
      'sessions list',
      'sessions revoke',
      'token get',
      'token inspect',
      'token revoke',
      'psk create',
      'psk list',
      'psk revoke',
      'certs show',
      'certs verify',
      'doctor',
    ]);
  });

  test.each(commands)(
    '%s --help names every option and argument, and is a success',
    async (name, command) => {
      const { code, out, err } = await runCommand([...name.split(' '), '--help']);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain(`sallyport ${name}`);
      for (const { long, description } of command.options) {
        expect(out).toContain(long);
        expect(description).not.toBe('');
      }
      for (const argument of command.registeredArguments) expect(out).toContain(argument.name());
      for (const everywhere of ['--json', '--home', '--port-base', '--help'])
        expect(out).toContain(everywhere);
    },
  );

  test.each([[['--help']], [['audit', '--help']], [['policy', 'roles', '--help']], [['help', 'send']]])(
    '%j is a success on standard output',
    async (args) => {
      const { code, out, err } = await runCommand(args);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('Usage: sallyport');
    },
  );
});

describe('a wrong command line is exit code 2, and says what would be right', () => {
  const wrong: readonly [string, readonly string[], RegExp][] = [
    ['no command', [], /Usage: sallyport/],
    ['an unknown command', ['sned'], /unknown command 'sned'[^]*send/],
    ['an unknown command in a group', ['audit', 'quer'], /unknown command 'quer'[^]*query/],
    ['a group alone', ['audit'], /Usage: sallyport audit/],
    ['an unknown option', ['audit', 'query', '--sinse', '5m'], /unknown option '--sinse'[^]*--since/],
    ['an unknown option of up', ['up', '--prot', '1'], /unknown option '--prot'/],
    ['a missing argument', ['keys', 'rotate'], /missing required argument 'name'/],
    ['two missing arguments', ['policy', 'bind', 'user:a'], /missing required argument 'role'/],
    ['an argument too many', ['doctor', 'now'], /too many arguments/],
    ['an option without its value', ['audit', 'query', '--since'], /argument missing/],
    ['a missing required option', ['psk', 'create', 'user:a'], /required option '--out/],
    ['a time that is none', ['audit', 'query', '--since', 'soon'], /"soon" is not a time/],
    ['a limit of zero', ['audit', 'query', '--limit', '0'], /--limit is "0"/],
    ['a session id that is none', ['audit', 'query', '--session', 'xyz'], /not a session id/],
    ['a correlation that is none', ['audit', 'query', '--correlation', '00'], /32 hexadecimal/],
    ['a leaf that is none', ['audit', 'prove', '-1x'], /-1x/],
    ['nobody to revoke', ['sessions', 'revoke'], /either a session or --principal/],
    ['a lifetime that is too long', ['token', '--lifetime', '11m'], /--lifetime is "11m"/],
    ['a token that is none', ['token', 'inspect', 'x'], /not an access token/],
    ['days out of range', ['psk', 'create', 'user:a', '--out', 'x', '--days', '0'], /--days is "0"/],
    ['a permission without resource', ['policy', 'roles', 'put', 'r', '--allow', 'x'], /action=resource/],
    [
      'a role file that is not there',
      ['policy', 'roles', 'put', 'r', '--file', '/none'],
      /Cannot read \/none/,
    ],
    [
      'a proof that is not there',
      ['audit', 'verify', '--proof', '/none', '--key', 'K'],
      /--key is not a verifier key/,
    ],
    ['a port base beyond the ports', ['doctor', '--port-base', '65535'], /port base/],
    [
      'a profile that is none',
      ['up', '--profile', 'cloud'],
      /no profile "cloud"; choose embedded or cluster/,
    ],
    ['replicas of one process', ['up', '--replicas', 'gateway=2'], /--replicas goes with --profile cluster/],
    [
      'replicas of an unknown service',
      ['up', '--profile', 'cluster', '--replicas', 'gatway=2'],
      /"gatway=2" must be service=count.*gateway, auth-service, key-service, policy-service, audit-service/,
    ],
    ['no replicas', ['up', '--profile', 'cluster', '--replicas', 'gateway=0'], /the count must be 1 to 16/],
    ['too many', ['up', '--profile', 'cluster', '--replicas', 'gateway=2,key-service=17'], /1 to 16/],
    ['a count that is none', ['up', '--profile', 'cluster', '--replicas', 'gateway=two'], /1 to 16/],
    ['a route without a URL', ['up', '--route', 'orders'], /--route "orders" must be name=url/],
    ['a route to a file', ['up', '--route', 'a=file:///etc/passwd'], /routes\.a\.url: has a protocol/],
    ['a route under a name nobody can send to', ['up', '--route', 'a b=http://127.0.0.1:1'], /name/],
    ['a route in place of echo', ['up', '--route', 'echo=http://127.0.0.1:1'], /echo/],
    ['nothing to send', ['send', 'echo'], /What is to be sent/],
    ['a message and a file', ['send', 'echo', '{}', '--file', 'x'], /not both/],
  ];
  test.each(wrong)('%s', async (_, args, says) => {
    await using home = await temporaryHome();
    const { code, out, err } = await runCommand(args, { env: { SALLYPORT_HOME: home.folder } });
    expect(err).toMatch(says);
    expect([code, out]).toEqual([2, '']);
  });

  test.each(wrong.filter(([, args]) => args.length > 0))('%s, as JSON', async (_, args) => {
    await using home = await temporaryHome();
    const { code, out, err } = await runCommand([...args, '--json'], {
      env: { SALLYPORT_HOME: home.folder },
    });
    expect([code, out]).toEqual([2, '']);
    const [value, ...more] = jsonLines(err) as { error: { message: string; code: string } }[];
    expect(more).toEqual([]);
    expect(value?.error.code).toMatch(/^(usage|config)$/);
    expect(value?.error.message).not.toMatch(/^error:|^$|outputHelp/);
  });
});

describe('what cannot be done is exit code 1, and says what to do', () => {
  const failing: readonly [string, readonly string[], RegExp][] = [
    ['a folder where Sallyport never ran', ['keys', 'list'], /no trust root .*npm start/],
    ['a log key that is not there', ['audit', 'verify'], /no verifier key of the log/],
    ['an identity with a path in its name', ['keys', 'list', '--as', '../admin'], /trust root|not the name/],
  ];
  test.each(failing)('%s', async (_, args, says) => {
    await using home = await temporaryHome();
    const plain = await runCommand(args, { env: { SALLYPORT_HOME: home.folder } });
    expect([plain.code, plain.out]).toEqual([1, '']);
    expect(plain.err).toMatch(says);
    const json = await runCommand([...args, '--json'], { env: { SALLYPORT_HOME: home.folder } });
    expect(json.code).toBe(1);
    expect(jsonLines(json.err)).toHaveLength(1);
  });
});

describe('up --check-config', () => {
  const fiveMistakes = [
    '# a comment', // 1
    'log:', // 2
    '  level: loud', // 3
    'telemetry:', // 4
    '  otlpUrl: ftp://collector', // 5
    'routs: {}', // 6
    'routes:', // 7
    '  orders:', // 8
    '    url: http://127.0.0.1:9000/', // 9
    '    timeout: 10', // 10
    '  billing:', // 11
    '    maxResponse: 1KiB', // 12
  ].join('\n');
  const expected = [
    ['6', 'routs'],
    ['3', 'log.level'],
    ['5', 'telemetry.otlpUrl'],
    ['10', 'routes.orders.timeout'],
    ['11', 'routes.billing.url'],
  ] as const;

  test('five mistakes are five lines, each with file, line and key', async () => {
    await using home = await temporaryHome();
    const file = join(home.folder, 'mine.yaml');
    await writeFile(file, fiveMistakes);
    const { code, out, err } = await runCommand([
      'up',
      '--check-config',
      '--config',
      file,
      '--home',
      home.folder,
    ]);
    expect([code, out]).toEqual([2, '']);
    expect(
      err
        .trimEnd()
        .split('\n')
        .map((line) => /^mine\.yaml:(\d+): ([^:]+): ./u.exec(line)?.slice(1, 3)),
    ).toEqual(expected);
  });

  test('and as JSON they are a list', async () => {
    await using home = await temporaryHome();
    const file = join(home.folder, 'mine.yaml');
    await writeFile(file, fiveMistakes);
    const { code, err } = await runCommand([
      'up',
      '--check-config',
      '--config',
      file,
      '--home',
      home.folder,
      '--json',
    ]);
    expect(code).toBe(2);
    const [line] = jsonLines(err) as { error: { problems: { where: string; key: string }[] } }[];
    expect(line?.error.problems.map(({ where, key }) => [where.replace('mine.yaml:', ''), key])).toEqual(
      expected,
    );
  });

  test('reads sallyport.yaml of the state folder by default', async () => {
    await using home = await temporaryHome();
    await writeFile(home.configFile, 'log: { level: loud }');
    expect((await runCommand(['up', '--check-config', '--home', home.folder])).code).toBe(2);
    await writeFile(home.configFile, 'log: { level: info }');
    expect((await runCommand(['up', '--check-config', '--home', home.folder])).code).toBe(0);
  });

  test('a file that is named and not there is an error, a default one is not', async () => {
    await using home = await temporaryHome();
    const named = await runCommand(['up', '--check-config', '--config', join(home.folder, 'none.yaml')]);
    expect([named.code, named.err]).toEqual([2, expect.stringContaining('does not exist')]);
    const byDefault = await runCommand(['up', '--check-config', '--home', home.folder]);
    expect([byDefault.code, byDefault.out]).toEqual([0, 'The configuration is valid.\n']);
  });

  test.each([
    ['a route on the command line', ['--route', 'orders']],
    ['a log level on the command line', ['--log-level', 'loud']],
  ])('checks %s too', async (_, args) => {
    await using home = await temporaryHome();
    expect((await runCommand(['up', '--check-config', '--home', home.folder, ...args])).code).toBe(2);
  });

  test('touches nothing', async () => {
    await using home = await temporaryHome();
    const folder = join(home.folder, 'not-yet');
    expect((await runCommand(['up', '--check-config', '--home', folder])).code).toBe(0);
    await expect(stat(folder)).rejects.toThrow(/ENOENT/);
  });
});
