/** What is where on the listener, each with its method; everything else is nothing. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isMetadataPath, PATHS, serverMetadata } from '../oauth/metadata.ts';
import type { OAuthPorts } from '../oauth/ports.ts';
import { isProof } from '../oauth/proof.ts';
import { normalisedRequest } from '../oauth/scopes.ts';
import type { Throttle } from '../oauth/throttle.ts';
import { introspect, revoke } from '../oauth/token-endpoints.ts';
import { notAllowed, registrationRefused, sendJson, sendPage, sendPublic } from './answers.ts';
import { SAFE_HEADERS } from './pages/page.ts';
import { errorPage } from './pages/plain-pages.ts';
import { readForm, sourceOf, underOrigin } from './request.ts';
import { signIn, type SignInParts } from './sign-in.ts';
import { sourceNetwork } from '../domain/source.ts';

/** Closed, for metrics. */
export type Route =
  | 'metadata'
  | 'authorization'
  | 'token'
  | 'jwks'
  | 'registration'
  | 'revocation'
  | 'introspection'
  | 'sign_in'
  | 'sign_out'
  | 'none';

export type RouterParts = SignInParts & {
  readonly ports: OAuthPorts;
  readonly handleProvider: (
    request: IncomingMessage,
    response: ServerResponse,
    source: string,
  ) => Promise<void>;
  readonly allowDynamicRegistration: boolean;
  readonly registrations: Throttle;
  readonly authorizations: Throttle;
  readonly claimProof: (tokenId: string, notAfterMs: number) => Promise<boolean>;
  readonly now: () => number;
};

export function routeOf(pathname: string): Route {
  if (isMetadataPath(pathname)) return 'metadata';
  if (/^\/signin\/[\w-]{1,64}$/u.test(pathname)) return 'sign_in';
  if (pathname === PATHS.authorization || pathname.startsWith(`${PATHS.authorization}/`))
    return 'authorization';
  if (pathname === PATHS.signOut || pathname.startsWith(`${PATHS.signOut}/`)) return 'sign_out';
  for (const name of ['token', 'jwks', 'registration', 'revocation', 'introspection'] as const)
    if (pathname === PATHS[name]) return name;
  return 'none';
}

/** Answers one request of the gateway. Rejects when something broke: the caller answers that. */
export async function route(
  parts: RouterParts,
  request: IncomingMessage,
  response: ServerResponse,
  name: Route,
): Promise<void> {
  const { issuer, provider } = parts;
  const url = new URL(request.url ?? '/', issuer);
  const source = sourceOf(request);
  underOrigin(request, issuer);
  switch (name) {
    case 'metadata':
      if (!isRead(request)) return sendJson(response, notAllowed('GET'));
      return sendPublic(response, serverMetadata(issuer, parts));
    case 'jwks':
      if (!isRead(request)) return sendJson(response, notAllowed('GET'));
      return sendPublic(response, await parts.ports.publicKeys());
    case 'sign_in': {
      if (request.method !== 'GET' && request.method !== 'POST')
        return sendJson(response, notAllowed('GET, POST'));
      const uid = url.pathname.slice('/signin/'.length);
      const page = await signIn(parts, { request, response, source }, uid);
      return page && sendPage(response, page);
    }
    case 'revocation':
    case 'introspection': {
      if (request.method !== 'POST') return sendJson(response, notAllowed('POST'));
      const form = await readForm(request);
      if (form === undefined)
        return sendJson(response, {
          status: 400,
          body: { error: 'invalid_request', error_description: 'not a form' },
        });
      return sendJson(
        response,
        name === 'revocation'
          ? await revoke(parts.ports, provider, form)
          : await introspect(parts.ports, provider, introspection(parts, request, form)),
      );
    }
    case 'registration':
      if (!parts.allowDynamicRegistration || !parts.registrations.admit(sourceNetwork(source)))
        return sendJson(response, registrationRefused(parts.allowDynamicRegistration));
      return parts.handleProvider(request, response, source);
    case 'authorization': {
      if (!parts.authorizations.admit(sourceNetwork(source)))
        return sendPage(response, errorPage(429, 'too_many'));
      const mode = url.searchParams.get('response_mode') ?? 'query';
      if (mode !== 'query') return sendPage(response, errorPage(400, 'invalid_request'));
      const changed = url.pathname === PATHS.authorization ? normalisedRequest(url.searchParams) : undefined;
      if (changed !== undefined) request.url = `${url.pathname}?${changed.toString()}`;
      return guarded(parts, request, response, source);
    }
    case 'token':
    case 'sign_out':
      return guarded(parts, request, response, source);
    case 'none':
      return sendPage(response, errorPage(404, 'not_found'));
  }
}

function guarded(
  parts: RouterParts,
  request: IncomingMessage,
  response: ServerResponse,
  source: string,
): Promise<void> {
  for (const [header, value] of Object.entries(SAFE_HEADERS)) response.setHeader(header, value);
  // Token endpoints are read by programs in other origins where their client says so.
  response.removeHeader('cross-origin-resource-policy');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  return parts.handleProvider(request, response, source);
}

function introspection(parts: RouterParts, request: IncomingMessage, form: URLSearchParams) {
  const { issuer, claimProof, now } = parts;
  const proof = request.headers['dpop'];
  return {
    authorization: request.headers.authorization,
    form,
    audience: `${issuer}/mcp`,
    hasProof: (token: string, thumbprint: string) =>
      isProof(typeof proof === 'string' ? proof : undefined, {
        method: 'POST',
        url: `${issuer}${PATHS.introspection}`,
        token,
        thumbprint,
        nowMs: now(),
        claim: claimProof,
      }),
  };
}

const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD';
