import type { RoleBinding } from './roles.ts';

const NO_ROLES: readonly string[] = Object.freeze([]);

/** Bindings as a look-up. Millions of them cost memory here and no time in the module, where they never go. */
export class BindingIndex {
  readonly #byTenant = new Map<string, Map<string, string[]>>();

  constructor(bindings: readonly RoleBinding[]) {
    for (const { tenant, principal, role } of bindings) {
      let principals = this.#byTenant.get(tenant);
      if (principals === undefined) this.#byTenant.set(tenant, (principals = new Map<string, string[]>()));
      const roles = principals.get(principal);
      if (roles === undefined) principals.set(principal, [role]);
      else roles.push(role);
    }
  }

  /** Roles bound directly; empty for a stranger. */
  rolesOf(tenant: string, principal: string): readonly string[] {
    return this.#byTenant.get(tenant)?.get(principal) ?? NO_ROLES;
  }
}
