import { describe, expect, test } from 'vitest';
import { ConfigError, integer, loadConfig, object, record, string, variants } from './index.ts';

const route = variants(
  { http: object({ url: string() }), echo: object({}), wait: object({ ms: integer() }) },
  'http',
);
const schema = object({ routes: record(route) });

const read = (lines: string) => loadConfig(schema, { text: `routes:\n${lines}` }).routes;

test('each kind has its own keys, and one needs no name', () => {
  expect({ ...read('  a: {url: x}\n  b: {kind: echo}\n  c: {kind: wait, ms: 3}') }).toEqual({
    a: { kind: 'http', url: 'x' },
    b: { kind: 'echo' },
    c: { kind: 'wait', ms: 3 },
  });
});

describe('refused, where it was written', () => {
  const rows: readonly [string, string, string, RegExp][] = [
    ['another kind', '  a: {kind: ftp}', 'routes.a.kind', /none of the values/],
    ['a kind that is no text', '  a: {kind: 3}', 'routes.a.kind', /none of the values/],
    ['a name that every object has', '  a: {kind: constructor}', 'routes.a.kind', /none of the values/],
    ['a key of another kind', '  a: {kind: echo, url: x}', 'routes.a.url', /not a known key/],
    ['a missing key', '  a: {kind: wait}', 'routes.a.ms', /is missing/],
    ['no mapping', '  a: http', 'routes.a', /not a mapping/],
    ['nothing', '  a:', 'routes.a', /not a mapping/],
  ];
  test.each(rows)('%s', (_, lines, key, what) => {
    try {
      read(lines);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.problems).toMatchObject([
        { key, where: 'configuration:2', what: expect.stringMatching(what) as string },
      ]);
      return;
    }
    throw new Error('it was accepted');
  });
});

test('without a kind for those who name none, the kind is missing', () => {
  const strict = object({ route: variants({ echo: object({}) }) });
  expect(() => loadConfig(strict, { text: 'route: {}' })).toThrow(/route\.kind: is missing/);
});
