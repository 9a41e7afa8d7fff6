/**
 * A destination behind HTTP: each message is one POST, over connections that are kept.
 *
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) names the effect, so that an upstream can recognise a
 * request it has seen; only routes that are configured as idempotent count on it. Redirects are not followed: the
 * configured URL is the only place messages go to.
 */
import { readFileSync } from 'node:fs';
import { errors, Pool, request } from 'undici';
import type { RouteRequest, RouteResult } from '../app/ports.ts';
import { createAttempts, type Attempted, type RemoteRoute, type RoutePorts } from './attempts.ts';
import type { HttpRouteConfig } from './config.ts';
import type { Deadline } from './deadline.ts';
import { createEgress } from './egress.ts';
import { EgressRefused, guardedConnection, type Connection } from './http-connection.ts';
import { isPassing, isUnhealthy, isWithoutEffect } from './http-status.ts';
import { DEFAULT_CONTENT_TYPE, messageHeaders } from './message-headers.ts';
import { secretHeader } from './secret-header.ts';

const CONNECTIONS = 64;
const CONNECT_MS = 5_000;
/** Below what servers keep by default (Node: 5 s): a connection that is just being closed fails a request. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 60_000;
const MAX_HEADER_BYTES = 16_384;

/** Throws `TypeError` for a URL that is not http or https, an egress entry that is none, and files that cannot be read. */
export function httpRoute(config: HttpRouteConfig, ports: RoutePorts): RemoteRoute {
  const url = new URL(config.url);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new TypeError(`${config.url} is not an HTTP URL`);
  const { timeoutMs, maxResponseBytes, maxConnections = CONNECTIONS } = config;
  const connection = guardedConnection({
    egress: createEgress(config.egress),
    timeoutMs: config.connectTimeoutMs ?? Math.min(CONNECT_MS, timeoutMs),
    ...pem('caPem', config.caFile),
    ...pem('certPem', config.certFile),
    ...pem('keyPem', config.keyFile),
  });
  const pool = new Pool(url.origin, {
    connections: maxConnections,
    pipelining: 1,
    allowH2: false,
    connect: connection.connect,
    headersTimeout: config.headersTimeoutMs ?? timeoutMs,
    bodyTimeout: config.bodyTimeoutMs ?? timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    maxResponseSize: maxResponseBytes,
  });
  const credential =
    config.credential === undefined ? undefined : secretHeader(config.credential, ports.onProblem);

  async function once(message: RouteRequest, deadline: Deadline): Promise<Attempted> {
    try {
      const answer = await request(url, {
        method: 'POST',
        dispatcher: pool,
        headers: {
          ...messageHeaders(message),
          'Idempotency-Key': message.idempotencyKey,
          ...credential?.headers(),
        },
        body: message.body,
        signal: deadline.signal,
      });
      const body = new Uint8Array(await answer.body.arrayBuffer());
      return answered(answer.statusCode, answer.headers['content-type'], body);
    } catch (error) {
      return failed(error, connection, deadline, timeoutMs);
    }
  }

  const attempts = createAttempts({ ...config, slots: maxConnections }, ports, once);
  return {
    isIdempotent: config.isIdempotent ?? false,
    send: (message) => attempts.send(message),
    state: () => attempts.state(),
    async [Symbol.asyncDispose]() {
      await pool.destroy();
      credential?.[Symbol.dispose]();
    },
  };
}

function pem<K extends string>(key: K, file: string | undefined): Partial<Record<K, string>> {
  if (file === undefined) return {};
  try {
    return { [key]: readFileSync(file, 'utf8') } as Record<K, string>;
  } catch (cause) {
    throw new TypeError(`${file} cannot be read`, { cause });
  }
}

function answered(
  statusCode: number,
  contentType: string | string[] | undefined,
  body: Uint8Array,
): Attempted {
  const status = String(statusCode);
  if (statusCode >= 200 && statusCode < 300) {
    const type = Array.isArray(contentType) ? contentType[0] : contentType;
    const result: RouteResult = { kind: 'response', contentType: type ?? DEFAULT_CONTENT_TYPE, body, status };
    return { result, health: 'good', repeat: 'never' };
  }
  return {
    result: {
      kind: 'failure',
      reason: 'upstream_failed',
      status,
      detail: `the destination answered with HTTP status ${status}`,
      isWithoutEffect: isWithoutEffect(statusCode),
    },
    health: isUnhealthy(statusCode) ? 'bad' : 'good',
    repeat: isPassing(statusCode) ? 'recognised' : 'never',
  };
}

function failed(error: unknown, connection: Connection, deadline: Deadline, timeoutMs: number): Attempted {
  const isUnsent = connection.isUnsent(error);
  const fail = (
    reason: Extract<RouteResult, { kind: 'failure' }>['reason'],
    status: string,
    detail: string,
    rest: Pick<Attempted, 'health' | 'repeat'>,
  ): Attempted => ({
    result: { kind: 'failure', reason, status, detail, isWithoutEffect: isUnsent },
    ...rest,
  });
  if (error instanceof EgressRefused)
    return fail('upstream_failed', 'egress', 'the destination is not where its route may connect to', {
      health: 'none',
      repeat: 'never',
    });
  if (isUnsent) {
    const rest = { health: 'bad', repeat: 'unsent' } as const;
    return error instanceof errors.ConnectTimeoutError
      ? fail('upstream_timeout', 'connect_timeout', 'the destination did not take a connection in time', rest)
      : fail('upstream_failed', 'connect', 'the destination cannot be reached', rest);
  }
  const isTooSlow = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  if (deadline.isLate() || isTooSlow)
    return fail('upstream_timeout', 'timeout', `the destination did not answer within ${timeoutMs} ms`, {
      health: 'bad',
      repeat: 'recognised',
    });
  if (error instanceof errors.ResponseExceededMaxSizeError || error instanceof errors.HeadersOverflowError)
    return fail('too_large', 'too_large', 'the destination answered with more than its route allows', {
      health: 'good',
      repeat: 'never',
    });
  if (deadline.signal.aborted)
    return fail('upstream_failed', 'given_up', 'the gateway stopped before the destination answered', {
      health: 'none',
      repeat: 'never',
    });
  return fail('upstream_failed', 'broken', 'the connection to the destination broke', {
    health: 'bad',
    repeat: 'recognised',
  });
}
