import { describe, expect, test } from 'vitest';
import { bind, engineWith } from '../test/support.ts';
import { argumentPathsOf, seenArguments } from './arguments.ts';
import type { DecisionRequest } from './decision.ts';
import type { JsonObject } from './json.ts';
import { isArgumentPointer } from './pointer.ts';
import type { Condition, RoleTable } from './roles.ts';

const rolesWith = (...when: Condition[]): RoleTable => ({
  caller: { inherits: [], permissions: [{ action: 'context.*', resource: '*', when }] },
});
const look = (argument: string, source: unknown) =>
  seenArguments(source, argumentPathsOf(rolesWith({ argument, absent: true })));

describe('pointers', () => {
  test.each(['/a', '/', '//', '/a/0', '/~0~1', '/a b', '/é', '/a/-', `/${'x'.repeat(254)}`])(
    '%j is one',
    (text) => {
      expect(isArgumentPointer(text)).toBe(true);
    },
  );
  test.each([
    '',
    'a',
    'a/b',
    '/~',
    '/~2',
    '/a~',
    '#/a',
    '/\u0000',
    '/\ud800',
    `/${'x'.repeat(255)}`,
    1,
    null,
    ['/a'],
  ])('%j is none', (text) => {
    expect(isArgumentPointer(text)).toBe(false);
  });
});

describe('what is seen', () => {
  const found: [what: string, pointer: string, source: unknown, value: unknown][] = [
    ['a member', '/a', { a: 'x' }, 'x'],
    ['a nested one', '/a/b/c', { a: { b: { c: 1 } } }, 1],
    ['an item', '/a/1', { a: [1, 2] }, 2],
    ['the empty name', '/', { '': true }, true],
    ['a name with a slash and a tilde', '/a~1b~0c', { 'a/b~c': null }, null],
    ['"~01", which is "~1"', '/~01', { '~1': 1 }, 1],
    ['a name of the prototype, when it is a member', '/constructor', { constructor: 'x' }, 'x'],
    ['__proto__, when it is a member', '/__proto__/a', JSON.parse('{"__proto__": {"a": 1}}'), 1],
    ['the last integer that every reader has', '/a', { a: 2 ** 53 - 1 }, 2 ** 53 - 1],
    ['a string that just fits', '/a', { a: 'x'.repeat(1022) }, 'x'.repeat(1022)],
  ];
  test.each(found)('%s', (_what, pointer, source, value) => {
    expect(look(pointer, source)).toEqual({ [pointer]: { value } });
  });

  const nothing: [what: string, pointer: string, source: unknown][] = [
    ['no member', '/a', {}],
    ['another case', '/a', { A: 1 }],
    ['below a string', '/a/0', { a: 'xyz' }],
    ['below null', '/a/b', { a: null }],
    ['an item beyond the end', '/a/2', { a: [1, 2] }],
    ['an item with a leading zero', '/a/01', { a: [1, 2] }],
    ['the item after the last', '/a/-', { a: [1, 2] }],
    ['the length of a list', '/a/length', { a: [1, 2] }],
    ['an inherited name', '/constructor', {}],
    ['an inherited one', '/__proto__', {}],
    ['what an item inherits', '/a/constructor', { a: [] }],
  ];
  test.each(nothing)('nothing: %s', (_what, pointer, source) => {
    expect(look(pointer, source)).toEqual({});
  });

  const unreadable: [what: string, value: unknown][] = [
    ['an object', { b: 1 }],
    ['a list', ['x']],
    ['a long string', 'x'.repeat(1023)],
    ['a string that is long once written', '"'.repeat(600)],
    ['a lone surrogate', 'a\ud800'],
    ['U+0000', 'safe\0/../../etc'],
    ['an integer beyond 2^53', 2 ** 53],
    ['a negative one', -(2 ** 53)],
    ['infinity, as 1e999 is read', Infinity],
    ['no number', Number.NaN],
    ['what JSON does not have', undefined],
    ['what JSON does not have either', 1n],
  ];
  test.each(unreadable.filter(([, value]) => value !== undefined))(
    'there, and unreadable: %s',
    (_what, value) => {
      expect(look('/a', { a: value })).toEqual({ '/a': {} });
    },
  );

  test('any', () => {
    expect(look('/a', 'any')).toBe('any');
  });

  test.each([null, 1, true, 'all', [], ['any']])('arguments that are %j are none', (source) => {
    expect(() => look('/a', source)).toThrow(RangeError);
  });
});

describe('decisions on arguments', () => {
  const call = (given?: unknown): DecisionRequest => ({
    principal: { id: 'user:alice', tenant: 'default', method: 'oauth' },
    action: 'context.tools.call',
    resource: { kind: 'tool', name: 'bank.pay' },
    ...(given === undefined ? {} : { arguments: given as JsonObject }),
  });
  const engine = () =>
    engineWith({
      roles: rolesWith({ argument: '/amount', at_most: 100 }, { argument: '/to/iban', starts_with: 'DE' }),
      bindings: bind('user:alice', 'caller'),
    });
  const fine = { amount: 5, to: { iban: 'DE1' }, note: 'thanks' };

  test('flip one argument', async () => {
    const alice = await engine();
    expect(alice.decide(call(fine)).decision).toBe('allow');
    expect(alice.decide(call({ ...fine, amount: 101 }))).toMatchObject({
      decision: 'deny',
      reasons: ['argument_refused'],
      requires: ['argument:/amount'],
    });
    expect(alice.decide(call({ ...fine, to: { iban: 'FR1' } })).requires).toEqual(['argument:/to/iban']);
    expect(alice.decide(call({})).requires).toEqual(['argument:/amount', 'argument:/to/iban']);
    expect(alice.decide(call(fine)).decision).toBe('allow');
  });

  test('a value is in no answer', async () => {
    const text = JSON.stringify((await engine()).decide(call({ ...fine, to: { iban: 'secret-iban' } })));
    expect(text).not.toContain('secret-iban');
  });

  test('what no role mentions does not keep an answer from being kept', async () => {
    const alice = await engine();
    alice.decide(call(fine));
    expect(
      alice.decide(call({ ...fine, note: 'x'.repeat(100_000), more: [[[[[[[[[[1]]]]]]]]]] })).cached,
    ).toBe(true);
    expect(alice.decide(call({ ...fine, amount: 6 })).cached).toBe(false);
    expect(alice.counters).toMatchObject({ decisions: 3, evaluations: 2 });
  });

  test('a value that is too large is refused, whatever it would be compared with', async () => {
    const alice = await engine();
    const long = { ...fine, to: { iban: `DE${'1'.repeat(2000)}` } };
    expect(alice.decide(call(long))).toMatchObject({ decision: 'deny', reasons: ['argument_refused'] });
  });

  test('any is another question than a call, and is not answered by one', async () => {
    const alice = await engine();
    expect(alice.decide(call('any')).decision).toBe('allow');
    expect(alice.decide(call({ amount: 1000 })).decision).toBe('deny');
    expect(alice.decide(call('any')).decision).toBe('allow');
    expect(alice.decide(call()).decision).toBe('deny');
  });

  test.each([null, 1, 'all', [], ['any'], true])('arguments that are %j are no question', async (given) => {
    expect((await engine()).decide(call(given))).toMatchObject({
      decision: 'deny',
      reasons: ['input_invalid'],
    });
  });

  test('arguments that throw when they are read are no question', async () => {
    const hostile = {
      get amount(): never {
        throw new Error('read');
      },
    };
    expect((await engine()).decide(call(hostile)).reasons).toEqual(['input_invalid']);
  });

  test('an operator that nobody knows grants nothing, not even in a list', async () => {
    const alice = await engineWith({
      roles: rolesWith({ argument: '/amount', resembles: '5' }),
      bindings: bind('user:alice', 'caller'),
    });
    for (const given of [fine, {}, 'any']) expect(alice.decide(call(given)).decision).toBe('deny');
  });

  test('the most that a table and a call may hold is judged', async () => {
    const paths = Array.from({ length: 128 }, (_, i) => `/${'p'.repeat(200)}${String(i)}`);
    const roles = Object.fromEntries(
      Array.from({ length: 8 }, (_, i): [string, RoleTable[string]] => [
        `r${String(i)}`,
        {
          inherits: [],
          permissions: [
            {
              action: '*',
              resource: '*',
              when: paths.slice(i * 16, i * 16 + 16).map((argument) => ({ argument, starts_with: 'x' })),
            },
          ],
        },
      ]),
    );
    const alice = await engineWith({ roles, bindings: bind('user:alice', 'r0') });
    const given = Object.fromEntries(paths.map((path) => [path.slice(1), 'x'.repeat(1000)]));
    expect(alice.decide(call(given)).decision).toBe('allow');
    expect(alice.decide(call(given)).cached).toBe(true);
  });
});
