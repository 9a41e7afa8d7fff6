/**
 * Inheritance as a graph. Stored roles never form a cycle: each write is checked before it is stored, and the policy
 * module can therefore follow `inherits` without guarding against one.
 */
import type { RoleName } from './names.ts';
import type { Role } from './role.ts';

export type Roles = ReadonlyMap<RoleName, Role>;

/**
 * The cycle that `candidate` would close, as the names on it beginning and ending with the candidate; `undefined` when
 * there is none. Every other role in `roles` must already be free of cycles.
 */
export function cycleThrough(roles: Roles, candidate: Role): readonly RoleName[] | undefined {
  const visited = new Set<RoleName>();
  const stack: { readonly name: RoleName; readonly path: readonly RoleName[] }[] = [
    { name: candidate.name, path: [candidate.name] },
  ];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const parents =
      step.name === candidate.name ? candidate.inherits : (roles.get(step.name)?.inherits ?? []);
    for (const parent of parents) {
      if (parent === candidate.name) return [...step.path, parent];
      if (visited.has(parent)) continue;
      visited.add(parent);
      stack.push({ name: parent, path: [...step.path, parent] });
    }
  }
  return undefined;
}

/** `names` and everything they inherit, each once, sorted. Names without a role are left out. */
export function closure(roles: Roles, names: Iterable<RoleName>): readonly RoleName[] {
  const found = new Set<RoleName>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const role = roles.get(name);
    if (role === undefined || found.has(name)) continue;
    found.add(name);
    open.push(...role.inherits);
  }
  return [...found].sort();
}

/** Roles on the longest chain of inheritance; 1 when nobody inherits. `roles` must be free of cycles. */
export function depth(roles: Roles): number {
  const known = new Map<RoleName, number>();
  const depthOf = (name: RoleName): number => {
    const cached = known.get(name);
    if (cached !== undefined) return cached;
    const own = 1 + Math.max(0, ...(roles.get(name)?.inherits ?? []).map(depthOf));
    known.set(name, own);
    return own;
  };
  return Math.max(0, ...[...roles.keys()].map(depthOf));
}
