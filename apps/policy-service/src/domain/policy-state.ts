/** The stored policy at one revision, and what a write does to it. */
import type { Binding } from './binding.ts';
import type { PrincipalId, RoleName } from './names.ts';
import type { Refusal } from './result.ts';
import type { Role } from './role.ts';
import type { Roles } from './role-graph.ts';
import { toolKey, type Sighting, type ToolDigest, type ToolPin, type ToolRef } from './tool.ts';

export type PolicyState = {
  /** 0 = nothing was ever written; then strictly increasing by 1. */
  readonly revision: bigint;
  /** Built-in roles included. */
  readonly roles: Roles;
  readonly bindings: ReadonlyMap<PrincipalId, ReadonlySet<RoleName>>;
  /** In which each role that is not built in was last stored. */
  readonly roleRevisions: ReadonlyMap<RoleName, bigint>;
  /** By `toolKey`. */
  readonly tools: ReadonlyMap<string, ToolPin>;
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
  /** A gateway saw a tool for the first time. History keeps no definition. */
  | ({ readonly kind: 'tool-found'; readonly isPinned: boolean; readonly seenBy: string } & Sighting)
  | ({
      readonly kind: 'tool-approved';
      readonly before: ToolDigest | '';
      readonly after: ToolDigest;
    } & ToolRef)
  | ({ readonly kind: 'tool-rejected'; readonly digest: ToolDigest; readonly wasPinned: boolean } & ToolRef)
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
  const roleRevisions = new Map(state.roleRevisions);
  const tools = new Map(state.tools);
  const revision = state.revision + 1n;
  let { contentDigest } = state;
  for (const change of changes) {
    switch (change.kind) {
      case 'role-put':
        roles.set(change.after.name, change.after);
        roleRevisions.set(change.after.name, revision);
        break;
      case 'role-deleted':
        roles.delete(change.before.name);
        roleRevisions.delete(change.before.name);
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
      case 'tool-found':
      case 'tool-approved':
      case 'tool-rejected':
        tools.set(toolKey(change), pinAfter(tools.get(toolKey(change)), change));
        break;
    }
  }
  return { revision, roles, bindings, roleRevisions, tools, contentDigest };
}

export type ToolChange = Extract<Change, ToolRef>;

/** What the policy says of a tool after `change`. */
export function pinAfter(before: ToolPin | undefined, change: ToolChange): ToolPin {
  const { route, tool } = change;
  switch (change.kind) {
    case 'tool-found':
      return change.isPinned
        ? { route, tool, pinned: change.digest, candidate: '', isCandidateRejected: false }
        : { route, tool, pinned: '', candidate: change.digest, isCandidateRejected: false };
    case 'tool-approved':
      return { route, tool, pinned: change.after, candidate: '', isCandidateRejected: false };
    case 'tool-rejected': {
      // A candidate that waits stays the one to be looked at.
      const candidate = before?.candidate ?? '';
      return change.wasPinned && candidate !== ''
        ? { route, tool, pinned: '', candidate, isCandidateRejected: before?.isCandidateRejected ?? false }
        : {
            route,
            tool,
            pinned: change.wasPinned ? '' : (before?.pinned ?? ''),
            candidate: change.digest,
            isCandidateRejected: true,
          };
    }
  }
}

/** Bindings in the order of principal, then role. */
export function bindingsOf(state: PolicyState): readonly Binding[] {
  return [...state.bindings.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([principal, roles]) => [...roles].sort().map((role) => ({ principal, role })));
}
