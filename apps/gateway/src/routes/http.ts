/**
 * A destination behind HTTP: each message is one POST.
 *
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) names the effect, so that an upstream can recognise a
 * request it has seen. Redirects are not followed: the configured URL is the only place messages go to.
 */
import { parseTraceparent } from '@sallyport/service/telemetry';
import { Agent, errors, request } from 'undici';
import type { Route, RouteRequest, RouteResult } from '../app/ports.ts';

export type HttpRouteConfig = {
  readonly kind: 'http';
  readonly url: string;
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
};

export type HttpRoute = Route & AsyncDisposable;

const CONNECTIONS = 64;
const DEFAULT_CONTENT_TYPE = 'application/octet-stream';

/** Throws `TypeError` for a URL that is not http or https. */
export function httpRoute(config: HttpRouteConfig): HttpRoute {
  const url = new URL(config.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`${config.url} is not an HTTP URL`);
  const { timeoutMs, maxResponseBytes } = config;
  const agent = new Agent({
    connections: CONNECTIONS,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: maxResponseBytes,
  });
  return {
    isIdempotent: true,
    async send(message) {
      // Over all of it, body included: a drip of bytes is no answer. A timer that is cleared, for what AbortSignal.timeout
      // and AbortSignal.any make stays in memory for the whole of `timeoutMs`, answered or not.
      const ending = new AbortController();
      let isTimeout = false;
      const timer = setTimeout(() => {
        isTimeout = true;
        ending.abort();
      }, timeoutMs);
      const giveUp = (): void => ending.abort();
      message.signal.addEventListener('abort', giveUp);
      if (message.signal.aborted) giveUp();
      try {
        const answer = await request(url, {
          method: 'POST',
          dispatcher: agent,
          headers: headersOf(message),
          body: message.body,
          signal: ending.signal,
        });
        const body = new Uint8Array(await answer.body.arrayBuffer());
        return resultOf(answer.statusCode, answer.headers['content-type'], body);
      } catch (error) {
        return failureOf(error, isTimeout, timeoutMs);
      } finally {
        clearTimeout(timer);
        message.signal.removeEventListener('abort', giveUp);
      }
    },
    async [Symbol.asyncDispose]() {
      await agent.destroy();
    },
  };
}

function headersOf(message: RouteRequest): Record<string, string> {
  return {
    'content-type': message.contentType === '' ? DEFAULT_CONTENT_TYPE : message.contentType,
    'idempotency-key': message.idempotencyKey,
    'sallyport-principal': message.principal,
    'sallyport-destination': encodeURIComponent(message.destination),
    // A client's text: passed on if it is what it should be.
    ...traceHeader(message.traceparent),
  };
}

function traceHeader(text: string | undefined): Record<string, string> {
  return text === undefined || parseTraceparent(text) === undefined ? {} : { traceparent: text };
}

function resultOf(
  statusCode: number,
  contentType: string | string[] | undefined,
  body: Uint8Array,
): RouteResult {
  const status = String(statusCode);
  if (statusCode >= 200 && statusCode < 300) {
    const type = Array.isArray(contentType) ? contentType[0] : contentType;
    return { kind: 'response', contentType: type ?? DEFAULT_CONTENT_TYPE, body, status };
  }
  return {
    kind: 'failure',
    reason: 'upstream_failed',
    status,
    detail: `the destination answered with HTTP status ${status}`,
    // RFC 9110 section 15.5: a 4xx says that the request was not carried out.
    isWithoutEffect: statusCode >= 400 && statusCode < 500,
  };
}

function failureOf(error: unknown, isTimeout: boolean, timeoutMs: number): RouteResult {
  if (
    isTimeout ||
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  ) {
    const isWithoutEffect = error instanceof errors.ConnectTimeoutError;
    const detail = `the destination did not answer within ${timeoutMs} ms`;
    return { kind: 'failure', reason: 'upstream_timeout', status: 'timeout', detail, isWithoutEffect };
  }
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    const detail = 'the destination answered with more than its route allows';
    return { kind: 'failure', reason: 'too_large', status: 'too_large', detail, isWithoutEffect: false };
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const isRefused = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH';
  const detail = isRefused ? 'the destination cannot be reached' : 'the connection to the destination broke';
  return {
    kind: 'failure',
    reason: 'upstream_failed',
    status: isRefused ? 'connect' : 'broken',
    detail,
    isWithoutEffect: isRefused,
  };
}
