/**
 * Roles and bindings as a bundle carries them. Parsing checks shape and names; `roleProblems` finds what is well formed
 * and still a mistake. The policy itself is safe on both: an unknown role reaches nothing, a cycle ends.
 */

import { isJsonObject } from './json.ts';
import type { JsonValue } from './json.ts';
import { isArgumentPointer } from './pointer.ts';

/** A name, `*`, or a prefix such as `orders.*`. */
export type Pattern = string;

/**
 * `argument` (a JSON pointer, RFC 6901) and one operator with its operand. Which operators there are, and what they mean,
 * is the policy module's to say (policies/src/conditions.rego): one that it does not know holds for nothing.
 */
export type Condition = { readonly argument: string } & Readonly<Record<string, JsonValue>>;

/** With `when`: only for calls whose arguments meet all conditions. */
export type Permission = {
  readonly action: Pattern;
  readonly resource: Pattern;
  readonly when?: readonly Condition[];
};

export type Role = { readonly inherits: readonly string[]; readonly permissions: readonly Permission[] };

export type RoleTable = Readonly<Record<string, Role>>;

/** `principal` (such as `user:alice`) of `tenant` holds `role`. */
export type RoleBinding = { readonly tenant: string; readonly principal: string; readonly role: string };

// What one evaluation costs grows with these (test/cost.test.ts), and it cannot be interrupted.
const MAX_ROLES = 1000;
const MAX_INHERITED = 32;
const MAX_PERMISSIONS = 256;
const MAX_CONDITIONS = 16;
/** Of the whole table: a value of each may be part of one question. */
const MAX_ARGUMENT_PATHS = 128;

const ROLE_NAME = /^[a-z][a-z0-9._-]{0,63}$/;
const TENANT_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const PRINCIPAL_ID = /^[a-z]{1,32}:[a-z0-9._-]{1,64}$/;
// Anything printable without a star, then optionally ".*"; or the star alone.
const PATTERN = /^(?:\*|[!-)+-~]{1,200}(?:\.\*)?)$/;

export function isRoleName(value: unknown): value is string {
  return typeof value === 'string' && ROLE_NAME.test(value);
}

export function isPattern(value: unknown): value is Pattern {
  return typeof value === 'string' && PATTERN.test(value);
}

/**
 * undefined when anything is out of shape, unknown members included, or beyond 1,000 roles, 32 inherited by one, 256
 * permissions of one, 16 conditions of one, or 128 different arguments in all.
 */
export function parseRoleTable(value: unknown): RoleTable | undefined {
  if (!isJsonObject(value) || Object.keys(value).length > MAX_ROLES) return undefined;
  const roles: [string, Role][] = [];
  const pointers = new Set<string>();
  for (const [name, candidate] of Object.entries(value)) {
    const role = isRoleName(name) ? parseRole(candidate) : undefined;
    if (role === undefined) return undefined;
    roles.push([name, role]);
    for (const { when = [] } of role.permissions) for (const { argument } of when) pointers.add(argument);
  }
  if (pointers.size > MAX_ARGUMENT_PATHS) return undefined;
  return Object.freeze(Object.fromEntries(roles));
}

/** undefined when anything is out of shape or one binding is there twice. */
export function parseBindings(value: unknown): readonly RoleBinding[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const seen = new Set<string>();
  const bindings: RoleBinding[] = [];
  for (const candidate of value as unknown[]) {
    if (!hasExactly(candidate, ['principal', 'role', 'tenant'])) return undefined;
    const { principal, role, tenant } = candidate;
    if (typeof principal !== 'string' || !PRINCIPAL_ID.test(principal)) return undefined;
    if (typeof tenant !== 'string' || !TENANT_NAME.test(tenant) || !isRoleName(role)) return undefined;
    const identity = `${tenant} ${principal} ${role}`;
    if (seen.has(identity)) return undefined;
    seen.add(identity);
    bindings.push(Object.freeze({ tenant, principal, role }));
  }
  return Object.freeze(bindings);
}

export type RoleProblem =
  | { readonly kind: 'unknown_inherited_role'; readonly role: string; readonly inherits: string }
  | { readonly kind: 'inheritance_cycle'; readonly roles: readonly string[] };

/** What an administrator should be told before such a table is stored. Each cycle is reported from its least name. */
export function roleProblems(table: RoleTable): readonly RoleProblem[] {
  const problems: RoleProblem[] = [];
  for (const name of Object.keys(table).sort()) {
    for (const inherited of table[name]?.inherits ?? []) {
      if (!Object.hasOwn(table, inherited)) {
        problems.push({ kind: 'unknown_inherited_role', role: name, inherits: inherited });
      }
    }
    const below = reachable(table, table[name]?.inherits ?? []);
    if (below.has(name)) {
      const roles = [...below]
        .filter((other) => reachable(table, table[other]?.inherits ?? []).has(name))
        .sort();
      if (roles[0] === name) problems.push({ kind: 'inheritance_cycle', roles });
    }
  }
  return problems;
}

function reachable(table: RoleTable, from: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const queue = [...from];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (seen.has(name) || !Object.hasOwn(table, name)) continue;
    seen.add(name);
    queue.push(...(table[name]?.inherits ?? []));
  }
  return seen;
}

function parseRole(value: unknown): Role | undefined {
  if (!hasExactly(value, ['inherits', 'permissions'])) return undefined;
  const { inherits, permissions } = value;
  if (!Array.isArray(inherits) || inherits.length > MAX_INHERITED || !inherits.every(isRoleName))
    return undefined;
  if (!Array.isArray(permissions) || permissions.length > MAX_PERMISSIONS) return undefined;
  const parsed: Permission[] = [];
  for (const permission of permissions as unknown[]) {
    const read = parsePermission(permission);
    if (read === undefined) return undefined;
    parsed.push(read);
  }
  return Object.freeze({ inherits: Object.freeze([...inherits]), permissions: Object.freeze(parsed) });
}

function parsePermission(value: unknown): Permission | undefined {
  const isConditional = isJsonObject(value) && Object.hasOwn(value, 'when');
  if (!hasExactly(value, isConditional ? ['action', 'resource', 'when'] : ['action', 'resource']))
    return undefined;
  const { action, resource, when } = value as Readonly<Record<string, unknown>>;
  if (!isPattern(action) || !isPattern(resource)) return undefined;
  if (!isConditional) return Object.freeze({ action, resource });
  // An empty list would read as "no conditions" to one and as "none is met" to another.
  const isList =
    Array.isArray(when) && when.length > 0 && when.length <= MAX_CONDITIONS && when.every(isCondition);
  return isList ? Object.freeze({ action, resource, when: Object.freeze([...when]) }) : undefined;
}

function isCondition(value: unknown): value is Condition {
  return isJsonObject(value) && Object.keys(value).length === 2 && isArgumentPointer(value['argument']);
}

function hasExactly<Name extends string>(
  value: unknown,
  names: readonly Name[],
): value is Readonly<Record<Name, unknown>> {
  return (
    isJsonObject(value) &&
    Object.keys(value).length === names.length &&
    names.every((n) => Object.hasOwn(value, n))
  );
}
