/** Scopes and resources: what may be asked for, and what an authorization request is read as. */
import { errors } from 'oidc-provider';

/** Everything but tool calls; tool calls (DESIGN.md section 10). */
export const RESOURCE_SCOPES = ['context:read', 'context:call'] as const;
/** OpenID Connect Core 1.0 section 11: a refresh token. */
export const OFFLINE_SCOPE = 'offline_access';
export const SCOPES: readonly string[] = [...RESOURCE_SCOPES, OFFLINE_SCOPE];

const ROUTE = /^[a-z0-9][a-z0-9_-]{0,62}$/u;
const MAX_RESOURCES = 16;

/** Whether this names the door, or one route of it: `<issuer>/mcp`, `<issuer>/mcp/<route>`. Compared as text (RFC 3986 section 6.2.1). */
export function isResource(issuer: string, resource: string): boolean {
  const door = `${issuer}/mcp`;
  return (
    resource === door || (resource.startsWith(`${door}/`) && ROUTE.test(resource.slice(door.length + 1)))
  );
}

/** The resources of a request. Throws `invalid_target` (RFC 8707 section 2). */
export function parseResources(issuer: string, resource: unknown): readonly string[] {
  const wanted = Array.isArray(resource) ? (resource as readonly unknown[]) : [resource];
  if (resource === undefined || wanted.length === 0)
    throw new errors.InvalidTarget(`resource is missing: name ${issuer}/mcp or ${issuer}/mcp/<route>`);
  if (wanted.length > MAX_RESOURCES) throw new errors.InvalidTarget('too many resources');
  return wanted.map((value) => {
    if (typeof value !== 'string' || !isResource(issuer, value))
      throw new errors.InvalidTarget(`resource must be ${issuer}/mcp or ${issuer}/mcp/<route>`);
    return value;
  });
}

/** What is kept of a list of scopes; stock clients also ask for `openid profile email`, which are nobody's here. */
export function knownScopes(scope: string): readonly string[] {
  const asked = scope.split(' ');
  return SCOPES.filter((known) => asked.includes(known));
}

/**
 * An authorization request as the provider gets it. Unknown scopes are left out (RFC 6749 section 3.3; the token response
 * says what was granted), and a request that names none of the door's gets all of them. Who wants to stay signed in is
 * always asked: a refresh token without consent is not given. Responses go in the query only.
 *
 * `undefined` when there is nothing to change.
 */
export function normalisedRequest(query: URLSearchParams): URLSearchParams | undefined {
  const scopes = query.getAll('scope');
  // Given twice: the provider refuses it as it is.
  if (scopes.length > 1 || query.getAll('prompt').length > 1) return undefined;
  const known = knownScopes(scopes[0] ?? '');
  const wanted = known.some((scope) => scope !== OFFLINE_SCOPE) ? known : [...RESOURCE_SCOPES, ...known];
  const changed = new URLSearchParams(query);
  changed.set('scope', wanted.join(' '));
  const prompts = (query.get('prompt') ?? '').split(' ').filter((prompt) => prompt !== '');
  if (wanted.includes(OFFLINE_SCOPE) && !prompts.includes('none') && !prompts.includes('consent'))
    changed.set('prompt', [...prompts, 'consent'].join(' '));
  return changed;
}
