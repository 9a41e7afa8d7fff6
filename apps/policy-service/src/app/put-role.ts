import { planPutRole } from '../domain/plan-roles.ts';
import { parseRole, type RoleInput } from '../domain/role.ts';
import type { Actor } from './ports.ts';
import { refusalError, write, type WritePorts } from './write.ts';

/**
 * Makes or replaces a role; with `expected`, only the one that was stored in that revision (0 = none). Resolves with the
 * revision that is in force. Throws `SallyportError`.
 */
export async function putRole(
  ports: WritePorts,
  actor: Actor,
  input: RoleInput,
  expected?: bigint,
): Promise<bigint> {
  const role = parseRole(input, false);
  if (!role.ok) throw refusalError(role.refusal);
  return write(ports, actor, (state) => planPutRole(state, role.value, expected));
}
