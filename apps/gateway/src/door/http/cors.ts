/** What a browser asks before a web page of an allowed origin may use the door (Fetch standard, "CORS protocol"). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer } from './answers.ts';

const METHODS = 'GET, POST, DELETE';
const HEADERS = [
  'accept',
  'authorization',
  'content-type',
  'dpop',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'traceparent',
] as const;
const KNOWN: ReadonlySet<string> = new Set(HEADERS);
const PARAMETER = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/u;
const MAX_PARAMETERS = 64;
const MAX_AGE_S = 600;

/** For every answer, refusals included: a page that cannot read them cannot tell its user what is wrong. */
export function cors(response: ServerResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader(
    'access-control-expose-headers',
    'dpop-nonce, mcp-session-id, retry-after, www-authenticate',
  );
  response.setHeader('vary', 'origin');
}

/** Which parameters a tool mirrors in headers is known only to its clients, so those are taken as they are asked for. */
export function preflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = (request.headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => !KNOWN.has(name) && PARAMETER.test(name))
    .slice(0, MAX_PARAMETERS);
  answer(response, 204, undefined, {
    allow: `${METHODS}, OPTIONS`,
    ...(request.headers.origin === undefined
      ? {}
      : {
          'access-control-allow-methods': METHODS,
          'access-control-allow-headers': [...HEADERS, ...asked].join(', '),
          'access-control-max-age': String(MAX_AGE_S),
        }),
  });
}
