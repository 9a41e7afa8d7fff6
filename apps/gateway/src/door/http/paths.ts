/** What the HTTPS face serves, by path. */
import { ROUTE_NAME } from '../config.ts';
import { isMetadataPath } from './metadata.ts';

export type Place =
  | { readonly kind: 'door'; readonly route: string | undefined }
  | { readonly kind: 'metadata' }
  | { readonly kind: 'authorization_server' }
  | { readonly kind: 'none' };

/** Undefined: not the face's. */
export function placeOf(pathname: string): Place | undefined {
  if (pathname === '/mcp') return { kind: 'door', route: undefined };
  if (pathname.startsWith('/mcp/')) {
    const route = pathname.slice('/mcp/'.length);
    // What cannot be a route's name is no resource that a token could be for.
    return ROUTE_NAME.test(route) ? { kind: 'door', route } : { kind: 'none' };
  }
  if (isMetadataPath(pathname)) return { kind: 'metadata' };
  return isAuthorizationServer(pathname) ? { kind: 'authorization_server' } : undefined;
}

const WELL_KNOWN = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'] as const;

/** auth-service's: sign-in, consent, tokens, and its metadata (RFC 8414 section 3). */
function isAuthorizationServer(pathname: string): boolean {
  if (pathname === '/signin' || pathname.startsWith('/signin/') || pathname.startsWith('/oauth/'))
    return true;
  return WELL_KNOWN.some((known) => pathname === known || pathname.startsWith(`${known}/`));
}
