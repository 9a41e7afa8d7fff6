/** All routes as one server, for clients of both eras. The table of what becomes of what is docs/model-context.md. */
import { eraOf } from '@sallyport/model-context';
import type { ModelContextServer } from '../ports.ts';
import { silence } from '../translate/exchanges.ts';
import { createMembers } from './members.ts';
import type { FederatePorts } from './ports.ts';
import { sessionDoor } from './session-door.ts';
import { statelessDoor } from './stateless-door.ts';

/** The order of `servers` is the configured one and decides where URIs collide. Each must speak both eras. */
export function federated(
  servers: ReadonlyMap<string, ModelContextServer>,
  ports: FederatePorts,
): ModelContextServer & AsyncDisposable {
  const members = createMembers(servers, ports);
  const stateless = statelessDoor(members);
  const session = sessionDoor(members);
  return {
    send: async (call) => (eraOf(call.revision) === 'stateless' ? stateless(call) : session.send(call)),
    listen: async (call) => (eraOf(call.revision) === 'stateless' ? silence(405) : session.listen(call)),
    end: async (call) => (eraOf(call.revision) === 'stateless' ? silence(405) : session.end(call)),
    [Symbol.asyncDispose]: async () => session[Symbol.dispose](),
  };
}
