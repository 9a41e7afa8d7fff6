import type { Binding } from '../domain/binding.ts';
import { parsePrincipalId } from '../domain/names.ts';
import { bindingsOf, type PolicyState } from '../domain/policy-state.ts';
import type { Role } from '../domain/role.ts';
import type { PolicyReader } from './ports.ts';
import { refusalError } from './write.ts';

/** All roles by name, with the stored revision, which may not be in force yet, and that of each role. */
export async function listRoles(
  reader: PolicyReader,
): Promise<{ readonly roles: readonly Role[] } & Pick<PolicyState, 'roleRevisions' | 'revision'>> {
  const state = await reader.read();
  const roles = [...state.roles.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { roles, roleRevisions: state.roleRevisions, revision: state.revision };
}

/** The bindings of one principal, or all when `principal` is empty. Throws `SallyportError`. */
export async function listBindings(
  reader: PolicyReader,
  principal: string,
): Promise<{ readonly bindings: readonly Binding[]; readonly revision: bigint }> {
  if (principal !== '') {
    const parsed = parsePrincipalId(principal, 'principal');
    if (!parsed.ok) throw refusalError(parsed.refusal);
  }
  const state = await reader.read();
  const bindings = bindingsOf(state).filter((binding) => principal === '' || binding.principal === principal);
  return { bindings, revision: state.revision };
}
