import { parseBinding, type BindingInput } from '../domain/binding.ts';
import { planDeleteBinding } from '../domain/plan-bindings.ts';
import type { Actor } from './ports.ts';
import { refusalError, write, type WritePorts } from './write.ts';

/** Takes a role from a principal. Resolves with the revision that is in force. Throws `SallyportError`. */
export async function deleteBinding(ports: WritePorts, actor: Actor, input: BindingInput): Promise<bigint> {
  const binding = parseBinding(input);
  if (!binding.ok) throw refusalError(binding.refusal);
  return write(ports, actor, (state) => planDeleteBinding(state, binding.value));
}
