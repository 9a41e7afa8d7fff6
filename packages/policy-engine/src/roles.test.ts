import { builtInRoles } from '@sallyport/policies';
import { describe, expect, test } from 'vitest';
import { isPattern, isRoleName, parseBindings, parseRoleTable, roleProblems } from './roles.ts';

const role = (...inherits: string[]) => ({ inherits, permissions: [] });

test.each(['*', 'orders', 'orders.*', 'orders.eu.*', 'auth/psk', 'x'.repeat(200)])(
  '%j is a pattern',
  (text) => {
    expect(isPattern(text)).toBe(true);
  },
);

test.each([
  '',
  '**',
  '*.orders',
  'orders*',
  'a.*.b',
  'a b',
  'a\n',
  'größe',
  '.*.*',
  'x'.repeat(201),
  7,
  null,
])('%j is no pattern', (text) => {
  expect(isPattern(text)).toBe(false);
});

test.each(['', 'Admin', '1st', '-a', '__proto__', 'a b', 'a*', 'x'.repeat(65), null])(
  '%j is no role name',
  (name) => {
    expect(isRoleName(name)).toBe(false);
  },
);

describe('role tables', () => {
  test('the shipped one parses to itself', () => {
    expect(parseRoleTable(builtInRoles)).toEqual(builtInRoles);
    expect(roleProblems(builtInRoles)).toEqual([]);
  });

  test('conditions are kept as they are, of operators to come too: the module judges them', () => {
    const when = [
      { argument: '/a', one_of: ['x', 1, null] },
      { argument: '/b/c', resembles: { a: 1 } },
    ];
    const table = { a: { inherits: [], permissions: [{ action: '*', resource: '*', when }] } };
    expect(parseRoleTable(table)).toEqual(table);
  });

  const bad: Record<string, unknown> = {
    null: null,
    'a list': [],
    'a name out of form': { Admin: role() },
    'a role that is null': { a: null },
    'no permissions': { a: { inherits: [] } },
    'a member too many': { a: { ...role(), description: '' } },
    'inherits no list': { a: { inherits: 'b', permissions: [] } },
    'inherits a name out of form': { a: role('B') },
    'permissions no list': { a: { inherits: [], permissions: {} } },
    'a permission without resource': { a: { inherits: [], permissions: [{ action: '*' }] } },
    'a permission with more': { a: { inherits: [], permissions: [{ action: '*', resource: '*', if: 1 }] } },
    ...Object.fromEntries(
      Object.entries({
        'no list': {},
        empty: [],
        'a null': [null],
        'no argument': [{ equals: 1 }],
        'an argument and nothing': [{ argument: '/a' }],
        'two operators': [{ argument: '/a', at_most: 2, at_least: 1 }],
        'an argument that is no pointer': [{ argument: 'a', equals: 1 }],
        'too many': Array<unknown>(17).fill({ argument: '/a', equals: 1 }),
      }).map(([what, when]) => [
        `conditions: ${what}`,
        { a: { inherits: [], permissions: [{ action: '*', resource: '*', when }] } },
      ]),
    ),
    'too many arguments': Object.fromEntries(
      Array.from({ length: 129 }, (_, index) => [
        `a${String(index)}`,
        {
          inherits: [],
          permissions: [
            { action: '*', resource: '*', when: [{ argument: `/${String(index)}`, absent: true }] },
          ],
        },
      ]),
    ),
    'too many roles': Object.fromEntries(
      Array.from({ length: 1001 }, (_, index) => [`a${String(index)}`, role()]),
    ),
    'too many inherited': { a: role(...Array<string>(33).fill('b')) },
    'too many permissions': {
      a: { inherits: [], permissions: Array(257).fill({ action: '*', resource: '*' }) },
    },
    'a pattern out of form': { a: { inherits: [], permissions: [{ action: '*', resource: 'a*' }] } },
  };
  test.each(Object.entries(bad))('%s is refused', (_name, value) => {
    expect(parseRoleTable(value)).toBeUndefined();
  });
});

describe('bindings', () => {
  const binding = { tenant: 'default', principal: 'user:alice', role: 'sender' };
  test('one parses to itself', () => {
    expect(parseBindings([binding])).toEqual([binding]);
  });

  const bad: Record<string, unknown> = {
    'an object': {},
    'an entry that is null': [null],
    'twice the same': [binding, { ...binding }],
    'a member too many': [{ ...binding, until: 1 }],
    'no tenant': [{ principal: 'user:alice', role: 'sender' }],
    'a tenant out of form': [{ ...binding, tenant: '' }],
    'a principal without kind': [{ ...binding, principal: 'alice' }],
    'a principal with a star': [{ ...binding, principal: 'user:*' }],
    'a role out of form': [{ ...binding, role: 'Sender' }],
  };
  test.each(Object.entries(bad))('%s is refused', (_name, value) => {
    expect(parseBindings(value)).toBeUndefined();
  });
});

describe('problems of well-formed tables', () => {
  test('an inherited role that does not exist', () => {
    expect(roleProblems({ a: role('constructor') })).toEqual([
      { kind: 'unknown_inherited_role', role: 'a', inherits: 'constructor' },
    ]);
  });

  test('a role that inherits itself', () => {
    expect(roleProblems({ a: role('a') })).toEqual([{ kind: 'inheritance_cycle', roles: ['a'] }]);
  });

  test('a ring is reported once, without those who merely reach it', () => {
    const table = { outside: role('b'), a: role('b'), b: role('c'), c: role('a', 'leaf'), leaf: role() };
    expect(roleProblems(table)).toEqual([{ kind: 'inheritance_cycle', roles: ['a', 'b', 'c'] }]);
  });

  test('a role inherited on two ways is no ring', () => {
    expect(roleProblems({ a: role('b', 'c'), b: role('d'), c: role('d'), d: role() })).toEqual([]);
  });
});
