/** The door's resources as OAuth knows them (RFC 8707, RFC 9728): `<origin>/mcp`, and `<origin>/mcp/<route>` for each route. */

/** What a token may be for; all of them. */
export const SCOPES = { read: 'context:read', call: 'context:call' } as const;
export const ALL_SCOPES: readonly string[] = [SCOPES.read, SCOPES.call];

export const METADATA_PATH = '/.well-known/oauth-protected-resource';

export type Resource = {
  /** Undefined: the federated door. */
  readonly route: string | undefined;
  /** `/mcp` or `/mcp/<route>`. */
  readonly path: string;
  /** The audience that a token must have. */
  readonly url: string;
  readonly metadataUrl: string;
};

/** `route` undefined: of all routes as one. Whether there is such a route is not looked at. */
export function resourceOf(publicOrigin: string, route: string | undefined): Resource {
  const path = route === undefined ? '/mcp' : `/mcp/${route}`;
  // RFC 9728 section 3.1: the well-known part comes before the resource's own path.
  return {
    route,
    path,
    url: `${publicOrigin}${path}`,
    metadataUrl: `${publicOrigin}${METADATA_PATH}${path}`,
  };
}
