/** The way to one server: connections that are kept, and what every failure on it is called. */
import { readFileSync } from 'node:fs';
import { errors, Pool, request, type Dispatcher } from 'undici';
import { createEgress } from '../../../routes/egress.ts';
import { EgressRefused, guardedConnection, type Connection } from '../../../routes/http-connection.ts';
import { UpstreamFailure } from '../../ports.ts';
import { DEFAULTS, type HttpUpstreamConfig } from '../config.ts';
import type { ResponseBody } from './body.ts';

/** Below what servers keep by default (Node: 5 s): a connection that is just being closed fails a request. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 60_000;
const MAX_HEADER_BYTES = 16_384;

export type Answer = {
  readonly status: number;
  /** Without parameters, in lower case; empty when there is none. */
  readonly contentType: string;
  /** Absent for a header that is not there or is there twice. */
  readonly sessionId: string | undefined;
  readonly body: ResponseBody;
};

export type LinkRequest = {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
};

export type Link = AsyncDisposable & {
  /** Throws `UpstreamFailure`. The body is to be read, discarded or destroyed. */
  exchange(request: LinkRequest): Promise<Answer>;
  /** What a failure on the way means; while an answer is read, too. */
  failureOf(error: unknown, signal: AbortSignal): UpstreamFailure;
};

/** Throws `TypeError` for files that cannot be read. */
export function openLink(config: HttpUpstreamConfig): Link {
  const url = new URL(config.url);
  const { connectTimeoutMs = DEFAULTS.connectTimeoutMs, headersTimeoutMs = DEFAULTS.headersTimeoutMs } =
    config;
  const connection = guardedConnection({
    egress: createEgress(config.egress),
    timeoutMs: connectTimeoutMs,
    ...pem('caPem', config.caFile),
    ...pem('certPem', config.certFile),
    ...pem('keyPem', config.keyFile),
  });
  const pool = new Pool(url.origin, {
    // Short exchanges pass beside those that are counted, and a body that is let run out still holds one.
    connections: 2 * (config.maxConcurrent ?? DEFAULTS.maxConcurrent) + 16,
    pipelining: 1,
    allowH2: false,
    connect: connection.connect,
    headersTimeout: headersTimeoutMs,
    // The time between events is counted by who reads them: bytes are not events.
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  });

  return {
    async exchange({ method, headers, body, signal }) {
      const ending = new AbortController();
      const leave = (): void => ending.abort(signal.reason);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
      // undici counts anew with each interim answer (1xx), of which there may be any number.
      const timer = setTimeout(
        () => ending.abort(new UpstreamFailure('timeout', 'the server did not answer in time')),
        connectTimeoutMs + headersTimeoutMs,
      );
      try {
        const answer = await request(url, {
          ...{ dispatcher: pool, method, headers, signal: ending.signal },
          ...(body === undefined ? {} : { body }),
        });
        // Errors after the body was given up are nobody's.
        answer.body.on('error', () => undefined);
        return answerOf(answer);
      } catch (error) {
        throw failureOf(error, signal, connection);
      } finally {
        clearTimeout(timer);
      }
    },
    failureOf: (error, signal) => failureOf(error, signal, connection),
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData): Answer {
  const type = headers['content-type'];
  const encoding = headers['content-encoding'];
  const session = headers['mcp-session-id'];
  // Not asked for, and what it unpacks to has no bound.
  const isPlain = encoding === undefined || encoding === 'identity';
  return {
    status: statusCode,
    contentType:
      typeof type === 'string' && isPlain ? (type.split(';', 1)[0] ?? '').trim().toLowerCase() : '',
    sessionId: typeof session === 'string' ? session : undefined,
    body,
  };
}

function failureOf(error: unknown, signal: AbortSignal, connection: Connection): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const fail = (problem: UpstreamFailure['problem'], message: string): UpstreamFailure =>
    new UpstreamFailure(problem, message, { cause: error });
  if (error instanceof EgressRefused)
    return fail('unreachable', 'the server is not where its route may connect to');
  if (connection.isUnsent(error)) return fail('unreachable', 'the server cannot be reached');
  // Whoever aborts with a failure says what it was.
  if (signal.aborted)
    return signal.reason instanceof UpstreamFailure
      ? signal.reason
      : fail('cancelled', 'nobody waits for the server any more');
  if (error instanceof errors.HeadersTimeoutError)
    return fail('timeout', 'the server did not answer in time');
  if (error instanceof errors.HeadersOverflowError)
    return fail('too_large', 'the server sent too many headers');
  if (error instanceof errors.HTTPParserError) return fail('malformed', 'the server did not answer in HTTP');
  return fail('broke_off', 'the connection to the server broke');
}

function pem<K extends string>(key: K, file: string | undefined): Partial<Record<K, string>> {
  if (file === undefined) return {};
  try {
    return { [key]: readFileSync(file, 'utf8') } as Record<K, string>;
  } catch (cause) {
    throw new TypeError(`${file} cannot be read`, { cause });
  }
}
