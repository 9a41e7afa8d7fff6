import { describe, expect, test } from 'vitest';
import { binding, role, stateWith } from '../../test/support.ts';
import { limits } from './limits.ts';
import { planDeleteBinding, planPutBinding } from './plan-bindings.ts';
import { planStart } from './plan-start.ts';
import { applied, bindingsOf } from './policy-state.ts';

const roles = [role('admin', {}, true), role('sender', {}, true)];
const alice = binding('user:alice', 'sender');

describe('putting a binding', () => {
  test('a new one is a change', () => {
    expect(planPutBinding(stateWith(roles), alice)).toEqual({
      kind: 'change',
      changes: [{ kind: 'binding-put', after: alice }],
    });
  });

  test('the same again is none', () => {
    expect(planPutBinding(stateWith(roles, [alice]), alice)).toEqual({ kind: 'unchanged' });
  });

  test('to an unknown role is refused', () => {
    expect(planPutBinding(stateWith(roles), binding('user:alice', 'ghost'))).toMatchObject({
      kind: 'refused',
      refusal: { kind: 'unknown', field: 'binding.role' },
    });
  });

  test('one too many for a principal is refused', () => {
    const some = Array.from({ length: limits.bindingsPerPrincipal + 1 }, (_, i) => role(`r${i}`));
    const held = some.slice(1).map((each) => binding('user:alice', each.name));
    expect(planPutBinding(stateWith(some, held), binding('user:alice', 'r0'))).toMatchObject({
      refusal: { kind: 'too-large' },
    });
  });

  test('one too many in all is refused', () => {
    const most = Array.from({ length: limits.bindings }, (_, i) => binding(`user:u${i}`, 'sender'));
    const state = stateWith(roles, most);
    expect(planPutBinding(state, alice)).toMatchObject({ refusal: { kind: 'too-large' } });
  });
});

describe('deleting a binding', () => {
  test('takes one role and leaves the others', () => {
    const state = stateWith(roles, [alice, binding('user:alice', 'admin'), binding('user:bob', 'admin')]);
    const plan = planDeleteBinding(state, alice);
    expect(plan.kind === 'change' && bindingsOf(applied(state, plan.changes))).toEqual([
      binding('user:alice', 'admin'),
      binding('user:bob', 'admin'),
    ]);
  });

  test('nobody holds is refused', () => {
    expect(planDeleteBinding(stateWith(roles), alice)).toMatchObject({ refusal: { kind: 'unknown' } });
  });

  test('of the last admin is refused, and says why', () => {
    const last = binding('user:admin', 'admin');
    const plan = planDeleteBinding(stateWith(roles, [last, alice]), last);
    expect(plan).toMatchObject({ kind: 'refused', refusal: { kind: 'inconsistent' } });
    expect(plan.kind === 'refused' && plan.refusal.message).toContain('nobody could change policy');
  });

  test('of one admin of two is a change', () => {
    const two = [binding('user:a', 'admin'), binding('user:b', 'admin')];
    expect(planDeleteBinding(stateWith(roles, two), binding('user:a', 'admin')).kind).toBe('change');
  });
});

describe('a start', () => {
  const empty = { ...stateWith(roles), revision: 0n };

  test('on an empty database gives the initial bindings in one plan', () => {
    const plan = planStart(empty, 'digest', [alice, alice]);
    expect(plan).toEqual({
      kind: 'change',
      changes: [
        { kind: 'content-replaced', before: '', after: 'digest' },
        { kind: 'binding-put', after: alice },
      ],
    });
  });

  test('on another database never gives them', () => {
    const later = { ...stateWith(roles), contentDigest: 'digest' };
    expect(planStart(later, 'digest', [alice])).toEqual({ kind: 'unchanged' });
  });

  test('with other content makes a revision', () => {
    const later = { ...stateWith(roles), contentDigest: 'old' };
    expect(planStart(later, 'new', [alice])).toMatchObject({
      changes: [{ kind: 'content-replaced', before: 'old' }],
    });
  });

  test('with an initial binding to an unknown role is refused', () => {
    expect(planStart(empty, 'digest', [binding('user:x', 'ghost')])).toMatchObject({
      kind: 'refused',
      refusal: { field: 'builtIn[0]' },
    });
  });
});
