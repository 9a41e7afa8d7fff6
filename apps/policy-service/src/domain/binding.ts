import { parsePrincipalId, parseRoleName, type PrincipalId, type RoleName } from './names.ts';
import { accept, type Result } from './result.ts';

/** A principal holds a role. */
export type Binding = { readonly principal: PrincipalId; readonly role: RoleName };

export type BindingInput = { readonly principal: string; readonly role: string };

export function parseBinding(input: BindingInput, field = 'binding'): Result<Binding> {
  const principal = parsePrincipalId(input.principal, `${field}.principal`);
  if (!principal.ok) return principal;
  const role = parseRoleName(input.role, `${field}.role`);
  if (!role.ok) return role;
  return accept({ principal: principal.value, role: role.value });
}
