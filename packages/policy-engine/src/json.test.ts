import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './json.ts';

const LIMIT = 100_000;

test('members are sorted, nothing is padded', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: true }, LIMIT)).toBe(
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
});

const json = fc.jsonValue({ maxDepth: 5 });

test('means what it was made from, and is the same for the same meaning', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value, LIMIT);
      const read = JSON.parse(text ?? '') as unknown;
      expect(read).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(read, LIMIT)).toBe(text);
    }),
  );
});

test('is within its limit, or is not', () => {
  fc.assert(
    fc.property(json, fc.nat(100), (value, limit) => {
      const text = canonicalJson(value, limit);
      expect(text === undefined || text.length <= limit).toBe(true);
    }),
  );
});

test('the colons of an object count too', () => {
  const value = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`m${index}`, 0]));
  const { length } = JSON.stringify(value);
  expect(canonicalJson(value, length - 1)).toBeUndefined();
  expect(canonicalJson(value, length + 1)).toHaveLength(length);
});

describe('what is not plain JSON', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const wide: unknown[] = Array.from({ length: LIMIT });
  const bad: Record<string, unknown> = {
    undefined: undefined,
    'a member that is undefined': { a: undefined },
    'a function': () => 1,
    'a symbol': Symbol('a'),
    'a bigint': 1n,
    'not a number': Number.NaN,
    infinity: Number.NEGATIVE_INFINITY,
    'a date': new Date(0),
    'a map': new Map(),
    bytes: new Uint8Array(1),
    'a boxed string': Object('a'),
    'a hole': Array(1),
    'a cycle': cyclic,
    'nine levels': [[[[[[[[[]]]]]]]]],
    'a list too long': wide,
  };
  test.each(Object.entries(bad))('%s', (_name, value) => {
    expect(canonicalJson(value, LIMIT)).toBeUndefined();
  });

  test('eight levels are', () => {
    expect(canonicalJson([[[[[[[[]]]]]]]], LIMIT)).toBe('[[[[[[[[]]]]]]]]');
  });
});
