/** How answers are written: pages, JSON that nobody keeps, and documents for everybody. */
import type { ServerResponse } from 'node:http';
import type { EndpointAnswer } from '../oauth/token-endpoints.ts';
import { SAFE_HEADERS, type Page } from './pages/page.ts';

export function notAllowed(allow: string): EndpointAnswer {
  const body = { error: 'invalid_request', error_description: `only ${allow} here` };
  return { status: 405, headers: { allow }, body };
}

export function registrationRefused(isAllowed: boolean): EndpointAnswer {
  return isAllowed
    ? {
        status: 429,
        headers: { 'retry-after': '600' },
        body: { error: 'temporarily_unavailable', error_description: 'too many registrations from there' },
      }
    : {
        status: 403,
        body: {
          error: 'access_denied',
          error_description:
            'clients are not registered here: use a client id metadata document, or ask the operator',
        },
      };
}

export function sendPage(response: ServerResponse, { status, headers, body }: Page): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

export function sendJson(response: ServerResponse, { status, body, headers }: EndpointAnswer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...SAFE_HEADERS,
    pragma: 'no-cache',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Documents that anybody may read, from any page. */
export function sendPublic(response: ServerResponse, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'public, max-age=60',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': '*',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}
