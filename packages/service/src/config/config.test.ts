import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  boolean,
  bytes,
  ConfigError,
  duration,
  integer,
  list,
  loadConfig,
  object,
  oneOf,
  optional,
  path,
  port,
  record,
  secretFile,
  string,
  url,
  type LoadOptions,
  type Schema,
} from './index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
  writeFileSync(join(folder, 'secret'), 'canary', { mode: 0o600 });
  writeFileSync(join(folder, 'open-secret'), 'canary');
  chmodSync(join(folder, 'open-secret'), 0o644);
  mkdirSync(join(folder, 'folder'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const load = <T>(schema: Schema<T>, text: string, more: Partial<LoadOptions> = {}): T =>
  loadConfig(schema, { file: join(folder, 'sallyport.yaml'), text, ...more });

function problemsOf(run: () => unknown): ConfigError['problems'] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('accepted');
}

describe('values', () => {
  const values: readonly [string, Schema<unknown>, string, unknown][] = [
    ['text', string(), 'abc', 'abc'],
    ['quoted digits', string(), '"12"', '12'],
    ['an integer', integer({ min: 1, max: 9 }), '7', 7],
    ['a negative integer', integer(), '-7', -7],
    ['a port', port(), '8443', 8443],
    ['port zero where allowed', port({ allowZero: true }), '0', 0],
    ['true', boolean(), 'true', true],
    ['milliseconds', duration(), '250ms', 250],
    ['seconds', duration(), '30s', 30_000],
    ['minutes', duration(), '5m', 300_000],
    ['hours', duration(), '1h', 3_600_000],
    ['days', duration(), '7d', 604_800_000],
    ['bytes', bytes(), '512B', 512],
    ['kibibytes', bytes(), '64KiB', 65_536],
    ['mebibytes', bytes(), '1MiB', 1_048_576],
    ['an enum', oneOf(['a', 'b']), 'b', 'b'],
    ['a URL', url(), 'https://example.org/x', 'https://example.org/x'],
    ['a list', list(integer()), '[1, 2]', [1, 2]],
    ['an empty list', list(integer()), '[]', []],
    ['a record', record(integer()), '{ a.b: 1, c: 2 }', { 'a.b': 1, c: 2 }],
  ];
  test.each(values)('%s', (_, schema, text, expected) => {
    expect(load(object({ k: schema }), `k: ${text}`)).toEqual({ k: expected });
  });

  test('relative paths are relative to the file, defaults included', () => {
    const schema = object({ a: path(), b: path({ default: 'data' }), c: path() });
    expect(load(schema, 'a: x/y\nc: /z')).toEqual({
      a: join(folder, 'x/y'),
      b: join(folder, 'data'),
      c: '/z',
    });
  });

  test('a secret file is a path, never a content', () => {
    expect(load(object({ k: secretFile() }), 'k: secret')).toEqual({ k: join(folder, 'secret') });
  });

  test('the result is frozen through and through', () => {
    const value = load(object({ a: list(object({ b: integer() })) }), 'a: [{ b: 1 }]');
    expect([value, value.a, value.a[0]].every((part) => Object.isFrozen(part))).toBe(true);
  });

  test('a record has no prototype to trip over', () => {
    const value = load(record(integer(), { keyPattern: /.*/ }), 'constructor: 1\n__proto__: 2');
    expect([Object.keys(value), Object.getPrototypeOf(value)]).toEqual([['constructor', '__proto__'], null]);
  });
});

describe('absence', () => {
  test('defaults fill an absent object', () => {
    const schema = object({
      a: object({ b: integer({ default: 3 }), c: list(string()), d: record(string()) }),
    });
    expect(load(schema, '')).toEqual({ a: { b: 3, c: [], d: {} } });
  });

  test('optional is undefined for every kind', () => {
    const schema = object({
      a: optional(integer()),
      b: optional(object({ c: integer() })),
      d: optional(list(string())),
    });
    expect(load(schema, '')).toEqual({ a: undefined, b: undefined, d: undefined });
  });

  test('optional, when present, is checked', () => {
    expect(problemsOf(() => load(object({ a: optional(integer()) }), 'a: x'))).toHaveLength(1);
  });

  test('a required key refuses to start and says why it must be there', () => {
    const schema = object({
      tls: object({ clientCa: path({ hint: 'Nobody can be authenticated without it.' }) }),
    });
    expect(problemsOf(() => load(schema, 'tls: {}'))).toEqual([
      {
        where: 'sallyport.yaml:1',
        key: 'tls.clientCa',
        what: 'is missing',
        hint: 'Nobody can be authenticated without it.',
      },
    ]);
  });
});

describe('refusals, one by one', () => {
  const refused: readonly [string, Schema<unknown>, string, RegExp][] = [
    ['a number for text', string(), '12', /is a number/],
    ['text too long', string({ maxLength: 2 }), 'abc', /longer than 2/],
    ['text too short', string({ minLength: 4 }), 'abc', /shorter than 4/],
    ['empty text', string(), '""', /shorter than 1/],
    ['text of another form', string({ pattern: /^a+$/g }), 'b', /form/],
    ['a fraction', integer(), '1.5', /not a whole number/],
    ['a number in quotes', integer(), '"1"', /not a whole number/],
    ['an unsafe integer', integer(), '9007199254740993', /not a whole number/],
    ['not a number', integer(), '.nan', /not a whole number/],
    ['too small', integer({ min: 3 }), '2', /2 is below 3/],
    ['too large', integer({ max: 3 }), '4', /4 is above 3/],
    ['port 0', port(), '0', /below 1/],
    ['port 65536', port(), '65536', /above 65535/],
    ['yes for true', boolean(), 'yes', /neither true nor false/],
    ['a duration without unit', duration(), '30', /with its unit/],
    ['a duration in weeks', duration(), '3w', /with its unit/],
    ['a negative duration', duration(), '-3s', /with its unit/],
    ['a duration too short', duration({ min: 1000 }), '10ms', /10ms is below 1s/],
    ['an endless duration', duration(), '999999999999999d', /too large/],
    ['a decimal size', bytes(), '1MB', /with its unit/],
    ['an unknown choice', oneOf(['a', 'b']), 'c', /none of the values/],
    ['not a URL', url(), 'example', /not a URL/],
    ['plain http', url(), 'http://a', /protocol/],
    ['a URL with credentials', url(), 'https://u:canary@a', /credentials/],
    ['a path with a NUL', path(), '"a\\0b"', /not a path/],
    ['a secret that does not exist', secretFile(), 'canary', /does not exist/],
    ['a secret that others can read', secretFile(), 'open-secret', /other users/],
    ['a secret that is a folder', secretFile(), 'folder', /regular file/],
    ['nothing after the colon', integer({ default: 1 }), '', /is empty/],
    ['a list for a value', integer(), '[1]', /single value/],
    ['a value for a list', list(integer()), '1', /not a list/],
    ['a list too long', list(integer(), { maxItems: 1 }), '[1, 2]', /more than 1/],
    ['a list too short', list(integer(), { minItems: 1 }), '[]', /fewer than 1/],
    ['a value for a mapping', object({}), '1', /not a mapping/],
    ['an empty mapping', object({}), '', /is empty/],
    ['a record key of another form', record(integer()), '{ "a b": 1 }', /not a name/],
    ['a record too large', record(integer(), { maxKeys: 1 }), '{ a: 1, b: 2 }', /more than 1/],
    ['an alias', list(integer()), '[&a 1, *a]', /aliases/],
    ['a binary value', string(), '!!binary aGk=', /not valid YAML|type/],
  ];
  test.each(refused)('%s', (_, schema, text, what) => {
    const problems = problemsOf(() => load(object({ k: schema }), `# first line\nk: ${text}`));
    expect(problems[0]?.what).toMatch(what);
    expect(problems[0]?.where).toBe('sallyport.yaml:2');
    expect(problems[0]?.hint).not.toBe('');
    expect(JSON.stringify(problems)).not.toContain('canary');
  });
});

describe('refusals of the file', () => {
  const broken: readonly [string, string][] = [
    ['a tab', 'a:\n\tb: 1'],
    ['an open bracket', 'a: [1, 2'],
    ['a repeated key', 'a: 1\na: 2'],
    ['two documents', 'a: 1\n---\na: 2'],
    ['a number as key', '1: 2'],
    ['a list as key', '? [a]\n: 1'],
    ['deep nesting', `a: ${'['.repeat(40)}${']'.repeat(40)}`],
    ['nesting beyond the stack', '['.repeat(200_000)],
    ['more than a mebibyte', `# ${'x'.repeat(1024 * 1024)}\na: 1`],
    ['aliases that multiply', ['a: &a [x, x]', 'b: &b [*a, *a]', 'c: [*b, *b]'].join('\n')],
  ];
  test.each(broken)('%s', (_, text) => {
    expect(problemsOf(() => load(record(list(string())), text)).length).toBeGreaterThan(0);
  });

  test('a file that does not exist is the only thing reported', () => {
    const schema = object({ a: integer(), b: integer() });
    expect(problemsOf(() => loadConfig(schema, { file: join(folder, 'none.yaml') }))).toMatchObject([
      { where: join(folder, 'none.yaml'), what: 'the file does not exist' },
    ]);
  });

  test('a file that is not UTF-8', () => {
    const file = join(folder, 'latin1.yaml');
    writeFileSync(file, Uint8Array.of(0x61, 0x3a, 0x20, 0xff));
    expect(problemsOf(() => loadConfig(object({ a: string() }), { file }))).toHaveLength(1);
  });

  test('broken lines are not quoted: they may hold a secret', () => {
    const text = 'password: @canary\nother: "canary';
    expect(JSON.stringify(problemsOf(() => load(object({}), text)))).not.toContain('canary');
  });
});

describe('unknown keys', () => {
  const schema = object({ listenPort: port(), limits: object({ maxBytes: integer({ default: 1 }) }) });

  test('a near miss is suggested', () => {
    expect(problemsOf(() => load(schema, 'listenPort: 1\nlimits:\n  maxByte: 3'))).toEqual([
      {
        where: 'sallyport.yaml:3',
        key: 'limits.maxByte',
        what: 'is not a known key',
        hint: 'Did you mean maxBytes?',
      },
    ]);
  });

  test('otherwise the known ones are listed', () => {
    const [problem] = problemsOf(() => load(schema, 'listenPort: 1\nwhatever: 2'));
    expect(problem?.hint).toBe('Remove it. Known here: listenPort, limits.');
  });

  test.each(['__proto__', 'constructor', 'toString'])('%s is a key like any other', (key) => {
    expect(problemsOf(() => load(schema, `listenPort: 1\n${key}: {}`))).toMatchObject([
      { key, what: 'is not a known key' },
    ]);
  });
});

describe('everything at once', () => {
  test('each problem with its line, key and remedy', () => {
    const schema = object({
      port: port(),
      mode: oneOf(['a', 'b']),
      routes: list(object({ url: url(), timeout: duration({ default: 1 }) })),
      missing: string({ env: 'SALLYPORT_MISSING' }),
    });
    const text = ['port: 99999', 'mode: c', 'routes:', '  - url: x', '    timeout: 5', 'extra: 1'].join('\n');
    try {
      load(schema, text);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect(error instanceof ConfigError ? error.message.split('\n') : []).toEqual([
        '6 problems in the configuration',
        'sallyport.yaml:6: extra: is not a known key. Remove it. Known here: port, mode, routes, missing.',
        'sallyport.yaml:1: port: 99999 is above 65535. Write a port from 1 to 65535.',
        'sallyport.yaml:2: mode: is none of the values allowed here. Write one of a, b.',
        'sallyport.yaml:4: routes[0].url: is not a URL. Write a URL that begins with https://.',
        'sallyport.yaml:5: routes[0].timeout: is not a duration with its unit. Write a duration with its unit (ms, s, m, h, d).',
        'sallyport.yaml:1: missing: is missing. Write text. Or set SALLYPORT_MISSING.',
      ]);
    }
  });
});

describe('environment and command line', () => {
  const schema = object({
    home: string({ env: 'HOME_', default: 'd' }),
    n: integer({ env: 'N', default: 1 }),
    on: boolean({ env: 'ON', default: false }),
    nested: object({ o: optional(integer({ env: 'O' })) }),
  });

  test('command line over environment over file over default', () => {
    const text = 'home: file\nn: 2';
    expect(load(schema, text).home).toBe('file');
    expect(load(schema, text, { env: { HOME_: 'env', N: '3', ON: 'true', O: '4' } })).toEqual({
      home: 'env',
      n: 3,
      on: true,
      nested: { o: 4 },
    });
    const overrides = { home: 'flag', n: '5', on: undefined, nested: { o: 6 } };
    expect(load(schema, text, { env: { HOME_: 'env', O: '4' }, overrides })).toEqual({
      home: 'flag',
      n: 5,
      on: false,
      nested: { o: 6 },
    });
  });

  test('an empty variable counts as unset', () => {
    expect(load(schema, '', { env: { HOME_: '', N: '' } })).toMatchObject({ home: 'd', n: 1 });
  });

  test('problems name the variable or the command line', () => {
    const problems = problemsOf(() =>
      load(schema, '', { env: { N: '1e3' }, overrides: { on: 'maybe', nonsense: 1 } }),
    );
    expect(problems.map(({ where, key }) => [where, key])).toEqual([
      ['command line', 'nonsense'],
      ['environment N', 'n'],
      ['command line', 'on'],
    ]);
  });
});

test('any text is either parsed or refused with problems, never anything else', () => {
  const schema = object({ a: optional(integer()), b: optional(list(string())), c: record(boolean()) });
  const yamlish = fc.string({
    unit: fc.constantFrom(...Array.from('abc:-[]{}&*!|>\'"#, \n\t1.~?%@')),
    maxLength: 60,
  });
  fc.assert(
    fc.property(fc.oneof(yamlish, fc.string()), (text) => {
      try {
        load(schema, text);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect(error instanceof ConfigError && error.problems.length > 0).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
