import { parseRoleTable } from '@sallyport/policy-engine';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { role, roleInput } from '../../test/support.ts';
import { limits } from './limits.ts';
import { parseRole, sameRole, type RoleInput } from './role.ts';

const permitting = (action: string, resource: string): Partial<RoleInput> => ({
  permissions: [{ action, resource }],
});

describe('permission patterns', () => {
  test.each([
    ['*', '*'],
    ['message.send', 'echo'],
    ['message.*', 'orders.*'],
    ['audit.read', 'orders.eu.*'],
    ['keys.rotate', 'auth/psk'],
    ['policy.read', 'sallyport.policy.v1.PolicyService/ListRoles'],
  ])('%j on %j is one', (action, resource) => {
    expect(parseRole(roleInput('r', permitting(action, resource)), false).ok).toBe(true);
  });

  test.each([
    ['', 'echo', 'action'],
    ['Message.send', 'echo', 'action'],
    ['message.', 'echo', 'action'],
    ['.send', 'echo', 'action'],
    ['message..send', 'echo', 'action'],
    ['*.send', 'echo', 'action'],
    ['mess*', 'echo', 'action'],
    ['message*', 'echo', 'action'],
    ['message.**', 'echo', 'action'],
    ['.*', 'echo', 'action'],
    ['message.send\n', 'echo', 'action'],
    ['m'.repeat(201), 'echo', 'action'],
    ['message.send', '', 'resource'],
    ['message.send', '**', 'resource'],
    ['message.send', '*.eu', 'resource'],
    ['message.send', 'ord*', 'resource'],
    ['message.send', 'orders.*.eu', 'resource'],
    ['message.send', 'orders..*', 'resource'],
    ['message.send', '.*', 'resource'],
    ['message.send', 'a b', 'resource'],
    ['message.send', 'é', 'resource'],
    ['message.send', 'echo\u0000', 'resource'],
    ['message.send', 'r'.repeat(201), 'resource'],
  ])('%j on %j is none', (action, resource, where) => {
    const result = parseRole(roleInput('r', permitting(action, resource)), false);
    expect(result).toMatchObject({
      ok: false,
      refusal: { kind: 'malformed', field: `role.permissions[0].${where}` },
    });
  });
});

describe('a role', () => {
  const many = <T>(count: number, make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));

  test.each<[string, Partial<RoleInput>, string, string]>([
    ['a bad name', { name: 'Nope' }, 'malformed', 'role.name'],
    ['a bad parent', { inherits: ['ok', 'No'] }, 'malformed', 'role.inherits[1]'],
    ['a parent twice', { inherits: ['a', 'b', 'a'] }, 'malformed', 'role.inherits[2]'],
    [
      'a permission twice',
      { permissions: many(2, () => ({ action: 'a', resource: 'b' })) },
      'malformed',
      'role.permissions[1]',
    ],
    [
      'too many parents',
      { inherits: many(limits.inheritsPerRole + 1, (i) => `p${i}`) },
      'too-large',
      'role.inherits',
    ],
    [
      'too many permissions',
      { permissions: many(limits.permissionsPerRole + 1, (i) => ({ action: `a${i}`, resource: '*' })) },
      'too-large',
      'role.permissions',
    ],
    [
      'a long description',
      { description: 'd'.repeat(limits.descriptionChars + 1) },
      'malformed',
      'role.description',
    ],
    ['a description of two lines', { description: 'a\nb' }, 'malformed', 'role.description'],
    ['an escape sequence in it', { description: '\u001b[2J' }, 'malformed', 'role.description'],
    ['a right-to-left override in it', { description: 'a\u202eb' }, 'malformed', 'role.description'],
    ['half a character in it', { description: '\ud800' }, 'malformed', 'role.description'],
  ])('with %s is refused', (_what, changes, kind, field) => {
    expect(parseRole(roleInput('r', changes), false)).toMatchObject({ ok: false, refusal: { kind, field } });
  });

  test('at every limit is accepted', () => {
    const largest = roleInput('r', {
      inherits: many(limits.inheritsPerRole, (i) => `p${i}`),
      permissions: many(limits.permissionsPerRole, (i) => ({ action: `a${i}`, resource: '*' })),
      description: 'd'.repeat(limits.descriptionChars),
    });
    expect(parseRole(largest, false).ok).toBe(true);
  });

  test('differs when one part does', () => {
    const base = role('r', { inherits: ['a'] });
    expect(sameRole(base, role('r', { inherits: ['a'] }))).toBe(true);
    expect(sameRole(base, role('r', { inherits: ['b'] }))).toBe(false);
    expect(sameRole(base, role('r', { inherits: ['a'], description: 'x' }))).toBe(false);
    expect(sameRole(base, role('r', { inherits: ['a'], permissions: [] }))).toBe(false);
  });
});

test('what is accepted here is accepted by the engine, which would otherwise refuse the bundle', () => {
  const text = fc.oneof(fc.string({ maxLength: 12 }), fc.stringMatching(/^[a-z*.!-~]{1,12}$/));
  fc.assert(
    fc.property(text, text, text, (name, action, resource) => {
      const parsed = parseRole(roleInput(name, permitting(action, resource)), false);
      if (!parsed.ok) return;
      const { inherits, permissions } = parsed.value;
      expect(parseRoleTable({ [name]: { inherits, permissions } })).toBeDefined();
    }),
    { numRuns: 2000 },
  );
});
