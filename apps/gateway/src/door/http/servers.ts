import type { ModelContextServer } from '../ports.ts';

/** What is behind the door, guarded. */
export type DoorServers = {
  /** At `/mcp`: all permitted routes as one. */
  readonly federated: ModelContextServer | undefined;
  /** At `/mcp/<name>`. */
  readonly routes: ReadonlyMap<string, ModelContextServer>;
};
