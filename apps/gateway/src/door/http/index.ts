/**
 * The HTTPS face of the Model Context Protocol door: from a request to a `MessageCall`, from an `Exchange` to a response.
 *
 * Order: host and origin → a place → the token for the route's resource → the route → the body within its bounds → its
 * shape, its revision and its headers → the scope → the server. Nothing of the payload is looked at before the caller is
 * known (docs/adr/0082): who sniffs content to decide whether to authenticate can be talked out of it.
 */
export { createDoorHttp, type DoorHttp } from './face.ts';
export type { DoorServers } from './servers.ts';
export { doorMetrics, type DoorMetrics } from './measure.ts';
