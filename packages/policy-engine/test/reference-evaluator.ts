/**
 * What policies/src means, written a second time and differently: a fixed point instead of a graph search, segments
 * instead of prefixes. The two are compared in tests; where they differ, one of them is wrong.
 */

import { posix } from 'node:path';
import type { SeenArguments } from '../src/arguments.ts';
import type { Condition, Permission, RoleTable } from '../src/roles.ts';

export type ReferenceInput = {
  readonly held: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly resourceTenant?: string;
  readonly arguments?: SeenArguments | 'any' | undefined;
};

export type ReferenceAnswer = {
  readonly allow: boolean;
  readonly reasons: readonly string[];
  readonly requires: readonly string[];
  readonly roles: readonly string[];
  readonly effectiveRoles: readonly string[];
};

export function referenceDecision(table: RoleTable, input: ReferenceInput): ReferenceAnswer {
  const { held, action, resource, resourceTenant = 'default', arguments: seen } = input;
  const effectiveRoles = fixedPoint(table, held);
  const covering = (name: string): readonly Permission[] =>
    (table[name]?.permissions ?? []).filter((p) => covers(p.action, action) && covers(p.resource, resource));
  const grants = (name: string): boolean =>
    covering(name).some(({ when = [] }) => when.every((condition) => meets(condition, seen)));
  const deny = (reason: string, requires: string[]): ReferenceAnswer => ({
    allow: false,
    reasons: [reason],
    requires,
    roles: [],
    effectiveRoles,
  });
  if (action === '' || resource === '' || `${action}${resource}`.includes('*'))
    return deny('input_malformed', []);
  if (resourceTenant !== 'default') return deny('tenant_mismatch', []);
  const roles = effectiveRoles.filter(grants);
  if (roles.length > 0) return { allow: true, reasons: ['role_grants'], requires: [], roles, effectiveRoles };
  const requires = Object.keys(table)
    .filter(grants)
    .sort()
    .map((name) => `role:${name}`);
  if (typeof seen === 'object') {
    const refused = effectiveRoles
      .flatMap(covering)
      .flatMap(({ when = [] }) => when.filter((condition) => !meets(condition, seen)))
      .map(({ argument }) => `argument:${argument}`);
    if (refused.length > 0) return deny('argument_refused', [...[...new Set(refused)].sort(), ...requires]);
  }
  return deny(effectiveRoles.length > 0 ? 'no_role_grants' : 'no_roles', requires);
}

function fixedPoint(table: RoleTable, held: readonly string[]): string[] {
  const names = Object.keys(table).sort();
  let reached = new Set(names.filter((name) => held.includes(name)));
  for (;;) {
    const next = new Set(
      names.filter(
        (name) => reached.has(name) || [...reached].some((from) => table[from]?.inherits.includes(name)),
      ),
    );
    if (next.size === reached.size) return [...next];
    reached = next;
  }
}

/** Of well-formed conditions. */
function meets({ argument, ...rest }: Condition, seen: SeenArguments | 'any' | undefined): boolean {
  if (seen === undefined || seen === 'any') return seen === 'any';
  const [[operator, operand] = []] = Object.entries(rest);
  const entry = seen[argument];
  if (operator === 'absent') return entry === undefined;
  const value = entry?.value;
  if (value === undefined) return false;
  switch (operator) {
    case 'equals':
      return value === operand;
    case 'one_of':
      return Array.isArray(operand) && operand.includes(value);
    case 'at_most':
      return typeof value === 'number' && value - Number(operand) <= 0;
    case 'at_least':
      return typeof value === 'number' && value - Number(operand) >= 0;
    case 'starts_with':
      return typeof value === 'string' && typeof operand === 'string' && value.indexOf(operand) === 0;
    case 'within':
      return typeof value === 'string' && /^\/(?!\/)/.test(value) && !/\\|(^|\/)\.\.(\/|$)/.test(value)
        ? `${posix.normalize(value)}/`.replaceAll('//', '/').startsWith(`${operand as string}/`)
        : false;
    default:
      return false;
  }
}

function covers(pattern: string, value: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('.');
  const given = value.split('.');
  if (wanted.length < 2 || wanted.at(-1) !== '*') return pattern === value;
  const head = wanted.slice(0, -1);
  return given.length > head.length && head.every((segment, index) => segment === given[index]);
}
