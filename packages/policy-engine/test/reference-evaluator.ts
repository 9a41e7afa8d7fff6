/**
 * What policies/src means, written a second time and differently: a fixed point instead of a graph search, segments
 * instead of prefixes. The two are compared in tests; where they differ, one of them is wrong.
 */

import type { RoleTable } from '../src/roles.ts';

export type ReferenceInput = {
  readonly held: readonly string[];
  readonly action: string;
  readonly resource: string;
  readonly resourceTenant?: string;
};

export type ReferenceAnswer = {
  readonly allow: boolean;
  readonly reasons: readonly string[];
  readonly requires: readonly string[];
  readonly roles: readonly string[];
  readonly effectiveRoles: readonly string[];
};

export function referenceDecision(table: RoleTable, input: ReferenceInput): ReferenceAnswer {
  const { held, action, resource, resourceTenant = 'default' } = input;
  const effectiveRoles = fixedPoint(table, held);
  const grants = (name: string): boolean =>
    (table[name]?.permissions ?? []).some((p) => covers(p.action, action) && covers(p.resource, resource));
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

function covers(pattern: string, value: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('.');
  const given = value.split('.');
  if (wanted.length < 2 || wanted.at(-1) !== '*') return pattern === value;
  const head = wanted.slice(0, -1);
  return given.length > head.length && head.every((segment, index) => segment === given[index]);
}
