import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binding, role, stateWith } from '../../test/support.ts';
import { limits } from './limits.ts';
import { parseRoleName, type RoleName } from './names.ts';
import { planDeleteRole, planPutRole } from './plan-roles.ts';
import { applied, type PolicyState } from './policy-state.ts';
import { closure, cycleThrough, depth } from './role-graph.ts';

const named = (name: string): RoleName => {
  const parsed = parseRoleName(name, 'name');
  if (!parsed.ok) throw new Error(name);
  return parsed.value;
};

const sender = role('sender', {}, true);

describe('putting a role', () => {
  test('a new one is a change', () => {
    const after = role('orders', { inherits: ['sender'] });
    expect(planPutRole(stateWith([sender]), after)).toEqual({
      kind: 'change',
      changes: [{ kind: 'role-put', before: undefined, after }],
    });
  });

  test('a changed one names what was before', () => {
    const before = role('orders');
    const after = role('orders', { permissions: [] });
    expect(planPutRole(stateWith([before]), after)).toMatchObject({ changes: [{ before, after }] });
  });

  test('the same again is none', () => {
    expect(planPutRole(stateWith([role('orders')]), role('orders'))).toEqual({ kind: 'unchanged' });
  });

  test('over a built-in one is refused', () => {
    const plan = planPutRole(stateWith([sender]), role('sender'));
    expect(plan).toMatchObject({ kind: 'refused', refusal: { kind: 'inconsistent', field: 'role.name' } });
  });

  test('of an unknown parent is refused, naming it', () => {
    const plan = planPutRole(stateWith([sender]), role('a', { inherits: ['sender', 'ghost'] }));
    expect(plan).toMatchObject({ kind: 'refused', refusal: { kind: 'unknown', field: 'role.inherits[1]' } });
    expect(plan.kind === 'refused' && plan.refusal.message).toContain('"ghost"');
  });

  test.each([
    ['itself', [], 'a', ['a'], 'a → a'],
    ['a child', [role('b', { inherits: ['a'] })], 'a', ['b'], 'a → b → a'],
    [
      'a grandchild',
      [role('b', { inherits: ['a'] }), role('c', { inherits: ['b'] })],
      'a',
      ['c'],
      'a → c → b → a',
    ],
    ['one of several', [role('x'), role('b', { inherits: ['x', 'a'] })], 'a', ['x', 'b'], 'a → b → a'],
  ])('that inherits %s is refused, naming the circle', (_what, others, name, inherits, circle) => {
    const plan = planPutRole(stateWith([role('a'), ...others]), role(name, { inherits }));
    expect(plan).toMatchObject({
      kind: 'refused',
      refusal: { kind: 'inconsistent', field: 'role.inherits' },
    });
    expect(plan.kind === 'refused' && plan.refusal.message).toContain(circle);
  });

  test('a diamond is no circle', () => {
    const state = stateWith([
      role('top'),
      role('l', { inherits: ['top'] }),
      role('r', { inherits: ['top'] }),
    ]);
    expect(planPutRole(state, role('bottom', { inherits: ['l', 'r'] })).kind).toBe('change');
  });

  test('one too many is refused', () => {
    const full = stateWith(
      Array.from({ length: limits.roles }, (_, i) => role(`r${i}`, { permissions: [] })),
    );
    expect(planPutRole(full, role('more'))).toMatchObject({
      kind: 'refused',
      refusal: { kind: 'too-large' },
    });
    expect(planPutRole(full, role('r0', { permissions: [], description: 'x' })).kind).toBe('change');
  });

  test('a chain too deep is refused', () => {
    const chain = Array.from({ length: limits.inheritanceDepth }, (_, i) =>
      role(`r${i}`, { inherits: i === 0 ? [] : [`r${i - 1}`] }),
    );
    const plan = planPutRole(
      stateWith(chain),
      role('deeper', { inherits: [`r${limits.inheritanceDepth - 1}`] }),
    );
    expect(plan).toMatchObject({ kind: 'refused', refusal: { kind: 'too-large', field: 'role.inherits' } });
  });

  test('more bytes than a bundle may have are refused', () => {
    const wide = (name: string) =>
      role(name, {
        permissions: Array.from({ length: limits.permissionsPerRole }, (_, i) => ({
          action: '*',
          resource: `${i}-${'x'.repeat(190)}`,
        })),
      });
    let state = stateWith([]);
    let refusedAt = 0;
    for (let i = 0; i < 40 && refusedAt === 0; i += 1) {
      const plan = planPutRole(state, wide(`w${i}`));
      if (plan.kind === 'change') state = applied(state, plan.changes);
      else {
        expect(plan).toMatchObject({ refusal: { kind: 'too-large', field: 'role' } });
        refusedAt = i;
      }
    }
    expect(refusedAt).toBeGreaterThan(10);
  });
});

describe('deleting a role', () => {
  test('nobody uses is a change', () => {
    const before = role('orders');
    expect(planDeleteRole(stateWith([before]), named('orders'))).toEqual({
      kind: 'change',
      changes: [{ kind: 'role-deleted', before }],
    });
  });

  test('that is unknown is refused', () => {
    expect(planDeleteRole(stateWith([]), named('ghost'))).toMatchObject({ refusal: { kind: 'unknown' } });
  });

  test('that is built in is refused', () => {
    expect(planDeleteRole(stateWith([sender]), named('sender'))).toMatchObject({
      refusal: { kind: 'inconsistent' },
    });
  });

  test('in use is refused, naming heirs and holders', () => {
    const state = stateWith(
      [role('orders'), role('vip', { inherits: ['orders'] })],
      [binding('user:alice', 'orders'), binding('user:bob', 'vip')],
    );
    const plan = planDeleteRole(state, named('orders'));
    expect(plan.kind === 'refused' && plan.refusal.message).toContain('role vip, user:alice:');
  });

  test('in use by many names five of them', () => {
    const holders = Array.from({ length: 8 }, (_, i) => binding(`user:u${i}`, 'orders'));
    const plan = planDeleteRole(stateWith([role('orders')], holders), named('orders'));
    expect(plan.kind === 'refused' && plan.refusal.message).toContain('user:u4 and 3 more:');
  });
});

test('whatever is put, inheritance stays a graph without circles and without strangers', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const puts = fc.array(
    fc.record({ name: fc.constantFrom(...names), inherits: fc.uniqueArray(fc.constantFrom(...names)) }),
    {
      maxLength: 40,
    },
  );
  fc.assert(
    fc.property(puts, (sequence) => {
      let state: PolicyState = stateWith([]);
      for (const put of sequence) {
        const plan = planPutRole(state, role(put.name, { inherits: put.inherits }));
        if (plan.kind === 'change') state = applied(state, plan.changes);
      }
      for (const each of state.roles.values()) {
        expect(cycleThrough(state.roles, each)).toBeUndefined();
        expect(each.inherits.every((parent) => state.roles.has(parent))).toBe(true);
        expect(closure(state.roles, [each.name])).toContain(each.name);
      }
      expect(depth(state.roles)).toBeLessThanOrEqual(names.length);
    }),
  );
});
