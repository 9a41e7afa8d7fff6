import type { Binding } from './binding.ts';
import { planPutBinding } from './plan-bindings.ts';
import { applied, refused, type Change, type Plan, type PolicyState } from './policy-state.ts';

/**
 * What a start makes of the stored policy. An empty one gets the initial bindings; one that was made for another policy
 * module or other built-in roles gets a new revision, so that every gateway pulls what this release ships.
 */
export function planStart(state: PolicyState, contentDigest: string, initial: readonly Binding[]): Plan {
  const changes: Change[] = [];
  if (state.contentDigest !== contentDigest) {
    changes.push({ kind: 'content-replaced', before: state.contentDigest, after: contentDigest });
  }
  if (state.revision === 0n) {
    for (const [index, binding] of initial.entries()) {
      const plan = planPutBinding(applied(state, changes), binding);
      if (plan.kind === 'refused')
        return refused(plan.refusal.kind, `builtIn[${index}]`, plan.refusal.message);
      if (plan.kind === 'change') changes.push(...plan.changes);
    }
  }
  const [first, ...rest] = changes;
  return first === undefined ? { kind: 'unchanged' } : { kind: 'change', changes: [first, ...rest] };
}
