/** The stored policy at one revision, and what a write does to it. */
import type { Binding } from './binding.ts';
import type { PrincipalId, RoleName } from './names.ts';
import type { Refusal } from './result.ts';
import type { Role } from './role.ts';
import type { Roles } from './role-graph.ts';

export type PolicyState = {
  /** 0 = nothing was ever written; then strictly increasing by 1. */
  readonly revision: bigint;
  /** Built-in roles included. */
  readonly roles: Roles;
  readonly bindings: ReadonlyMap<PrincipalId, ReadonlySet<RoleName>>;
  /** Digest of the policy module and built-in roles that the revision was made for; empty at revision 0. */
  readonly contentDigest: string;
};

export type Change =
  | { readonly kind: 'role-put'; readonly before: Role | undefined; readonly after: Role }
  | { readonly kind: 'role-deleted'; readonly before: Role }
  | { readonly kind: 'binding-put'; readonly after: Binding }
  | { readonly kind: 'binding-deleted'; readonly before: Binding }
  /** Another release brought another policy module or other built-in roles. */
  | { readonly kind: 'content-replaced'; readonly before: string; readonly after: string }
  /** Bundles are signed by another key from here on; the policy itself is the same. */
  | { readonly kind: 'bundle-key-replaced'; readonly before: string; readonly after: string };

/** What a write comes to. All changes of a plan are stored under one new revision, or none. */
export type Plan =
  | { readonly kind: 'change'; readonly changes: readonly [Change, ...Change[]] }
  /** The policy already says so: nothing is stored and the revision stays. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export type Planner = (state: PolicyState) => Plan;

export const refused = (kind: Refusal['kind'], field: string, message: string): Plan => ({
  kind: 'refused',
  refusal: { kind, field, message },
});

/** `state` with `changes` applied and the revision bumped by one. */
export function applied(state: PolicyState, changes: readonly Change[]): PolicyState {
  const roles = new Map(state.roles);
  const bindings = new Map(state.bindings);
  let { contentDigest } = state;
  for (const change of changes) {
    switch (change.kind) {
      case 'role-put':
        roles.set(change.after.name, change.after);
        break;
      case 'role-deleted':
        roles.delete(change.before.name);
        break;
      case 'binding-put': {
        const { principal, role } = change.after;
        bindings.set(principal, new Set([...(bindings.get(principal) ?? []), role]));
        break;
      }
      case 'binding-deleted': {
        const { principal, role } = change.before;
        const left = new Set([...(bindings.get(principal) ?? [])].filter((held) => held !== role));
        if (left.size === 0) bindings.delete(principal);
        else bindings.set(principal, left);
        break;
      }
      case 'content-replaced':
        contentDigest = change.after;
        break;
      case 'bundle-key-replaced':
        break;
    }
  }
  return { revision: state.revision + 1n, roles, bindings, contentDigest };
}

/** Bindings in the order of principal, then role. */
export function bindingsOf(state: PolicyState): readonly Binding[] {
  return [...state.bindings.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([principal, roles]) => [...roles].sort().map((role) => ({ principal, role })));
}
