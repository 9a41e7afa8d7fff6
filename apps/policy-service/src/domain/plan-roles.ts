import { limits } from './limits.ts';
import type { RoleName } from './names.ts';
import { refused, type Plan, type PolicyState } from './policy-state.ts';
import { quoted } from './result.ts';
import { sameRole, type Role } from './role.ts';
import { cycleThrough, depth } from './role-graph.ts';

/** How many users of a role a refusal names before it only counts. */
const namedUsers = 5;

/**
 * Stores `role`, new or changed. With `expected`, only if that is the revision in which the role was last stored; 0n:
 * only if there is none.
 */
export function planPutRole(state: PolicyState, role: Role, expected?: bigint): Plan {
  const before = state.roles.get(role.name);
  if (before?.builtIn === true) return readOnly(role.name);
  const stored = state.roleRevisions.get(role.name) ?? 0n;
  if (expected !== undefined && expected !== stored) {
    const found = before === undefined ? 'there is none now' : `it was stored in revision ${stored}`;
    return refused(
      'conflict',
      'expected_revision',
      `Role ${quoted(role.name)} is not the one that was read (revision ${expected}): ${found}. Read it again.`,
    );
  }
  if (before !== undefined && sameRole(before, role)) return { kind: 'unchanged' };

  for (const [index, parent] of role.inherits.entries()) {
    if (parent !== role.name && !state.roles.has(parent)) {
      return refused(
        'unknown',
        `role.inherits[${index}]`,
        `There is no role ${quoted(parent)} to inherit: create it first.`,
      );
    }
  }
  const cycle = cycleThrough(state.roles, role);
  if (cycle !== undefined) {
    return refused(
      'inconsistent',
      'role.inherits',
      `Roles would inherit each other in a circle: ${cycle.join(' → ')}.`,
    );
  }

  const roles = new Map(state.roles).set(role.name, role);
  if (weight(role) > limits.roleBytes) {
    return refused(
      'too-large',
      'role',
      `A role may take ${limits.roleBytes} bytes; this one takes ${weight(role)}.`,
    );
  }
  const paths = new Set([...roles.values()].flatMap(argumentsOf));
  if (paths.size > limits.argumentPaths) {
    return refused(
      'too-large',
      'role.permissions',
      `All roles together may look at ${limits.argumentPaths} different arguments; this would make ${paths.size}.`,
    );
  }
  if (roles.size > limits.roles) {
    return refused(
      'too-large',
      'role',
      `There are ${limits.roles} roles, the most there may be: delete one that nobody needs.`,
    );
  }
  const bytes = [...roles.values()].reduce((sum, each) => sum + weight(each), 0);
  if (bytes > limits.rolesBytes) {
    return refused(
      'too-large',
      'role',
      `All roles together may take ${limits.rolesBytes} bytes; this would make ${bytes}.`,
    );
  }
  if (depth(roles) > limits.inheritanceDepth) {
    return refused(
      'too-large',
      'role.inherits',
      `Inheritance may be ${limits.inheritanceDepth} roles deep; this would make it ${depth(roles)}.`,
    );
  }
  return { kind: 'change', changes: [{ kind: 'role-put', before, after: role }] };
}

/** Deletes a role that nobody uses any more. */
export function planDeleteRole(state: PolicyState, name: RoleName): Plan {
  const before = state.roles.get(name);
  if (before === undefined) return refused('unknown', 'name', `There is no role ${quoted(name)}.`);
  if (before.builtIn) return readOnly(name, 'name');

  const heirs = [...state.roles.values()]
    .filter((role) => role.inherits.includes(name))
    .map((role) => role.name);
  const holders = [...state.bindings].filter(([, roles]) => roles.has(name)).map(([principal]) => principal);
  if (heirs.length + holders.length > 0) {
    const users = [...heirs.sort().map((heir) => `role ${heir}`), ...holders.sort()];
    const named = users.slice(0, namedUsers).join(', ');
    const more = users.length > namedUsers ? ` and ${users.length - namedUsers} more` : '';
    return refused(
      'inconsistent',
      'name',
      `Role ${quoted(name)} is in use by ${named}${more}: take it from them first.`,
    );
  }
  return { kind: 'change', changes: [{ kind: 'role-deleted', before }] };
}

const argumentsOf = (role: Role): string[] =>
  role.permissions.flatMap(({ when = [] }) => when.map(({ argument }) => argument));

/** Bytes of a role in a bundle. */
function weight(role: Role): number {
  const json = JSON.stringify([role.name, { inherits: role.inherits, permissions: role.permissions }]);
  return Buffer.byteLength(json, 'utf8');
}

function readOnly(name: RoleName, field = 'role.name'): Plan {
  return refused(
    'inconsistent',
    field,
    `Role ${quoted(name)} is built in and read-only: make a role of your own that inherits it.`,
  );
}
