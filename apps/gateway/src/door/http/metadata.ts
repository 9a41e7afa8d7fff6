/**
 * Protected resource metadata (RFC 9728). Answered for every name that a route may have, so that nobody learns from it
 * which routes there are.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ROUTE_NAME } from '../config.ts';
import { PROOF_ALGORITHMS } from '../tokens/dpop.ts';
import { ALL_SCOPES, METADATA_PATH, resourceOf } from '../tokens/resource.ts';
import { answer, answerProblem } from './answers.ts';

/** Whether the path is answered here, with 404 if it names what no route could be called. */
export function isMetadataPath(pathname: string): boolean {
  return pathname === METADATA_PATH || pathname.startsWith(`${METADATA_PATH}/`);
}

export type MetadataOptions = {
  readonly publicOrigin: string;
  readonly issuer: string;
  readonly allowsBearer: boolean;
};

/** Writes the whole answer; for GET and HEAD, and 405 for the rest. */
export function answerMetadata(
  request: IncomingMessage,
  response: ServerResponse,
  pathname: string,
  options: MetadataOptions,
): void {
  // It says the same to everybody, so any web page may read it.
  const open = { 'access-control-allow-origin': '*' };
  const { method } = request;
  if (method === 'OPTIONS')
    return answer(response, 204, undefined, {
      ...open,
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'mcp-protocol-version',
    });
  if (method !== 'GET' && method !== 'HEAD')
    return answerProblem(response, 405, 'Metadata is read with GET.', { allow: 'GET, HEAD, OPTIONS' });
  const named = routeOf(pathname.slice(METADATA_PATH.length));
  if (named === undefined) return answerProblem(response, 404, 'There is no such resource.', open);
  const { route } = named;
  const { publicOrigin, issuer, allowsBearer } = options;
  const { url } = resourceOf(publicOrigin, route);
  const document = {
    resource: url,
    resource_name: route === undefined ? 'Sallyport' : `Sallyport: ${route}`,
    authorization_servers: [issuer],
    scopes_supported: ALL_SCOPES,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
    ...(allowsBearer ? {} : { dpop_bound_access_tokens_required: true }),
  };
  answer(response, 200, { type: 'application/json', text: `${JSON.stringify(document)}\n` }, open);
}

/** Undefined for what can be no resource. Without a path: the door itself, for clients that ask at the root. */
function routeOf(path: string): { readonly route: string | undefined } | undefined {
  if (path === '' || path === '/mcp') return { route: undefined };
  const [, route] = /^\/mcp\/([^/]+)$/u.exec(path) ?? [];
  return route !== undefined && ROUTE_NAME.test(route) ? { route } : undefined;
}
