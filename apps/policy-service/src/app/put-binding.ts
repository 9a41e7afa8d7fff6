import { parseBinding, type BindingInput } from '../domain/binding.ts';
import { planPutBinding } from '../domain/plan-bindings.ts';
import type { Actor } from './ports.ts';
import { refusalError, write, type WritePorts } from './write.ts';

/** Gives a principal a role. Resolves with the revision that is in force. Throws `SallyportError`. */
export async function putBinding(ports: WritePorts, actor: Actor, input: BindingInput): Promise<bigint> {
  const binding = parseBinding(input);
  if (!binding.ok) throw refusalError(binding.refusal);
  return write(ports, actor, (state) => planPutBinding(state, binding.value));
}
