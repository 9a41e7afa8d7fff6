/**
 * The HTTPS face of the Model Context Protocol door: from a request to a `MessageCall`, from an `Exchange` to a response.
 *
 * Order: host and origin → a place → the token for the route's resource → the route → the body within its bounds → its
 * shape, its revision and its headers → the scope → the server. Nothing of the payload is looked at before the caller is
 * known (facts of other gateways: who sniffs content to decide whether to authenticate can be talked out of it).
 */
import type { Mount } from '@sallyport/service/process';
import type { Caller, ModelContextServer } from '../ports.ts';

export type DoorServers = {
  /** At `/mcp`: all permitted routes as one. */
  readonly federated: ModelContextServer | undefined;
  /** At `/mcp/<name>`. */
  readonly routes: ReadonlyMap<string, ModelContextServer>;
};

export type DoorHttp = AsyncDisposable & {
  readonly mount: Mount;
  /** Exchanges and streams under way. */
  readonly underWay: number;
};

export type { Caller };
