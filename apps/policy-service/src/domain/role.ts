import { limits } from './limits.ts';
import { parseRoleName, type RoleName } from './names.ts';
import { parsePermission, type Permission, type PermissionInput } from './permission.ts';
import { accept, all, quoted, refuse, type Result } from './result.ts';

export type Role = {
  readonly name: RoleName;
  /** Roles whose permissions this one has too. No duplicates. */
  readonly inherits: readonly RoleName[];
  /** No duplicates. */
  readonly permissions: readonly Permission[];
  readonly description: string;
  /** Shipped with Sallyport: read-only. */
  readonly builtIn: boolean;
};

/** A role as a caller writes it. */
export type RoleInput = {
  readonly name: string;
  readonly inherits: readonly string[];
  readonly permissions: readonly PermissionInput[];
  readonly description: string;
};

// Control, format and line-separator characters: a description is shown in terminals and logs.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Checks a role by itself; how it fits among the others is for the plan (`plan-roles.ts`). */
export function parseRole(input: RoleInput, builtIn: boolean, field = 'role'): Result<Role> {
  const name = parseRoleName(input.name, `${field}.name`);
  if (!name.ok) return name;
  for (const [list, max] of [
    ['inherits', limits.inheritsPerRole],
    ['permissions', limits.permissionsPerRole],
  ] as const) {
    const count = input[list].length;
    if (count > max) {
      return refuse(
        'too-large',
        `${field}.${list}`,
        `A role has at most ${max} ${list}; this one has ${count}.`,
      );
    }
  }
  const inherits = all(input.inherits, (parent, i) => parseRoleName(parent, `${field}.inherits[${i}]`));
  if (!inherits.ok) return inherits;
  const permissions = all(input.permissions, (p, i) => parsePermission(p, `${field}.permissions[${i}]`));
  if (!permissions.ok) return permissions;

  const twiceParent = duplicate(inherits.value, (parent) => parent);
  if (twiceParent !== undefined) {
    return refuse(
      'malformed',
      `${field}.inherits[${twiceParent}]`,
      `${quoted(inherits.value[twiceParent] ?? '')} is listed twice.`,
    );
  }
  const twice = duplicate(permissions.value, permissionKey);
  if (twice !== undefined) {
    return refuse('malformed', `${field}.permissions[${twice}]`, 'This permission is listed twice.');
  }
  if (input.description.length > limits.descriptionChars || unprintable.test(input.description)) {
    return refuse(
      'malformed',
      `${field}.description`,
      `A description is one line of at most ${limits.descriptionChars} printable characters.`,
    );
  }
  return accept({
    name: name.value,
    inherits: inherits.value,
    permissions: permissions.value,
    description: input.description,
    builtIn,
  });
}

const permissionKey = ({ action, resource, when = [] }: Permission): string =>
  JSON.stringify([action, resource, when]);

/** Same content, order of the lists included. */
export function sameRole(a: Role, b: Role): boolean {
  return JSON.stringify(contentOf(a)) === JSON.stringify(contentOf(b));
}

const contentOf = (role: Role) => [
  role.name,
  role.inherits,
  role.permissions.map(permissionKey),
  role.description,
  role.builtIn,
];

/** Index of the first item that repeats an earlier one. */
function duplicate<T>(items: readonly T[], key: (item: T) => string): number | undefined {
  const seen = new Set<string>();
  for (const [index, item] of items.entries()) {
    if (seen.has(key(item))) return index;
    seen.add(key(item));
  }
  return undefined;
}
