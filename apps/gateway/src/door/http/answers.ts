/** Responses of the face itself: problems (RFC 9457) and JSON-RPC errors. */
import type { ServerResponse } from 'node:http';
import { errorResponse, type JsonValue, type RequestId } from '@sallyport/model-context';
import { problemMediaType } from '@sallyport/service/errors';
import type { Challenge } from '../tokens/challenge.ts';
import { challenges } from '../tokens/challenge.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  408: 'Request timeout',
  413: 'Content too large',
  415: 'Unsupported media type',
  421: 'Misdirected request',
  500: 'Internal error',
  502: 'Bad gateway',
  503: 'Service unavailable',
};

type Headers = Readonly<Record<string, string | readonly string[]>>;

export const RETRY_AFTER_S = 1;

/** A response that is not streamed. Does nothing once one has begun. */
export function answer(
  response: ServerResponse,
  status: number,
  body: { readonly type: string; readonly text: string } | undefined,
  headers: Headers = {},
): void {
  if (response.headersSent || response.destroyed) return;
  // What was not read of the request must not be taken for the next one, and is not waited for.
  if (!response.req.complete) response.setHeader('connection', 'close');
  for (const [name, value] of Object.entries(headers))
    response.setHeader(name, typeof value === 'string' ? value : [...value]);
  response.setHeader('cache-control', 'no-store');
  response.setHeader('x-content-type-options', 'nosniff');
  if (status === 503) response.setHeader('retry-after', String(RETRY_AFTER_S));
  response.setHeader('content-length', body === undefined ? 0 : Buffer.byteLength(body.text));
  if (body !== undefined) response.setHeader('content-type', body.type);
  response.statusCode = status;
  response.end(response.req.method === 'HEAD' ? undefined : body?.text);
}

/** `detail` says what is wrong and what to do; it contains nothing of the request. */
export function answerProblem(
  response: ServerResponse,
  status: number,
  detail: string,
  headers: Headers = {},
): void {
  const value = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail };
  answer(response, status, { type: problemMediaType, text: `${JSON.stringify(value)}\n` }, headers);
}

/** 401 and 403 with what would be accepted. */
export function answerChallenge(
  response: ServerResponse,
  status: number,
  detail: string,
  challenge: Challenge,
  headers: Headers = {},
): void {
  answerProblem(response, status, detail, { ...headers, 'www-authenticate': challenges(challenge) });
}

/** `id`: where it could be read; else there is none (2026-07-28), which is null in JSON-RPC 2.0. */
export function answerError(
  response: ServerResponse,
  status: number,
  error: {
    readonly id?: RequestId | null | undefined;
    readonly code: number;
    readonly message: string;
    readonly data?: JsonValue | undefined;
  },
): void {
  const value = errorResponse(error.id ?? null, error.code, error.message, error.data);
  answer(response, status, { type: 'application/json', text: JSON.stringify(value) });
}
