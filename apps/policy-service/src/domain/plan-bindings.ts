import type { Binding } from './binding.ts';
import { limits } from './limits.ts';
import { bindingsOf, refused, type Plan, type PolicyState } from './policy-state.ts';
import { quoted } from './result.ts';

/**
 * The built-in role that may change policy. Its last binding is never removed: nobody could give it back, for every
 * change of policy needs it.
 */
export const adminRole = 'admin';

/** How many principals hold `adminRole`. */
export function adminsOf(state: PolicyState): number {
  return bindingsOf(state).filter(({ role }) => role === adminRole).length;
}

/** Gives `binding.principal` the role. */
export function planPutBinding(state: PolicyState, binding: Binding): Plan {
  if (!state.roles.has(binding.role)) {
    return refused('unknown', 'binding.role', `There is no role ${quoted(binding.role)}: create it first.`);
  }
  const held = state.bindings.get(binding.principal);
  if (held?.has(binding.role) === true) return { kind: 'unchanged' };
  if ((held?.size ?? 0) >= limits.bindingsPerPrincipal) {
    return refused(
      'too-large',
      'binding',
      `A principal holds at most ${limits.bindingsPerPrincipal} roles directly: make one role that inherits several.`,
    );
  }
  const count = [...state.bindings.values()].reduce((sum, roles) => sum + roles.size, 0);
  if (count >= limits.bindings) {
    return refused(
      'too-large',
      'binding',
      `There are ${limits.bindings} bindings, the most there may be: delete some that nobody needs.`,
    );
  }
  return { kind: 'change', changes: [{ kind: 'binding-put', after: binding }] };
}

/** Takes the role from `binding.principal`, unless that would leave nobody who may change policy. */
export function planDeleteBinding(state: PolicyState, binding: Binding): Plan {
  if (state.bindings.get(binding.principal)?.has(binding.role) !== true) {
    return refused('unknown', 'binding', `${binding.principal} does not hold role ${quoted(binding.role)}.`);
  }
  if (binding.role === adminRole) {
    if (adminsOf(state) === 1) {
      return refused(
        'inconsistent',
        'binding',
        `${binding.principal} is the last one with role ${quoted(adminRole)}: without it nobody could change policy any more. Bind another principal to it first.`,
      );
    }
  }
  return { kind: 'change', changes: [{ kind: 'binding-deleted', before: binding }] };
}
