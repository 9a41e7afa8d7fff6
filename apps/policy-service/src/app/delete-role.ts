import { parseRoleName } from '../domain/names.ts';
import { planDeleteRole } from '../domain/plan-roles.ts';
import type { Actor } from './ports.ts';
import { refusalError, write, type WritePorts } from './write.ts';

/** Deletes a role nobody uses. Resolves with the revision that is in force. Throws `SallyportError`. */
export async function deleteRole(ports: WritePorts, actor: Actor, name: string): Promise<bigint> {
  const parsed = parseRoleName(name, 'name');
  if (!parsed.ok) throw refusalError(parsed.refusal);
  return write(ports, actor, (state) => planDeleteRole(state, parsed.value));
}
