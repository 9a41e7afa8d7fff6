/**
 * A destination behind NATS: each message is one request on a subject, and its reply the response.
 *
 * A request that nobody could take (no connection, no responder) is certainly without effect; one that was not answered in
 * time is not. Responders say that they failed with the headers of NATS services (ADR-32 of NATS): `Nats-Service-Error-Code`.
 */
import { BusError } from '@sallyport/service/bus';
import type { NatsAnswer, NatsConnectionHandle } from '@sallyport/service/nats';
import type { RouteRequest, RouteResult } from '../app/ports.ts';
import { createAttempts, type Attempted, type RemoteRoute, type RoutePorts } from './attempts.ts';
import type { NatsRouteConfig } from './config.ts';
import type { Deadline } from './deadline.ts';
import { isPassing, isUnhealthy, isWithoutEffect } from './http-status.ts';
import { DEFAULT_CONTENT_TYPE, messageHeaders } from './message-headers.ts';

const MAX_UNDER_WAY = 1_024;
/** Its time-out and ours are two timers for one moment. */
const TIMER_MS = 5;
const ERROR_CODE = 'nats-service-error-code';

/** Does not own the connection. */
export function natsRoute(
  config: NatsRouteConfig,
  connection: Pick<NatsConnectionHandle, 'request'>,
  ports: RoutePorts,
): RemoteRoute {
  const { subject, timeoutMs, maxResponseBytes, maxUnderWay = MAX_UNDER_WAY } = config;

  async function once(message: RouteRequest, deadline: Deadline): Promise<Attempted> {
    const headers = { ...messageHeaders(message), 'Sallyport-Idempotency-Key': message.idempotencyKey };
    const remainingMs = Math.max(1, Math.floor(deadline.remainingMs()));
    const aborted = Promise.withResolvers<'aborted'>();
    const abort = (): void => aborted.resolve('aborted');
    deadline.signal.addEventListener('abort', abort, { once: true });
    try {
      const asked = connection.request(subject, message.body, { timeoutMs: remainingMs, headers });
      // Who stops waiting first: its time-out and ours end at the same moment.
      asked.catch(() => undefined);
      const answer = await Promise.race([asked, aborted.promise]);
      if (answer === 'aborted') return unanswered(deadline, timeoutMs);
      if (answer.kind === 'reply') return replied(answer, maxResponseBytes);
      return answer.kind === 'not_sent'
        ? notSent('not_sent', 'nobody takes messages for the destination')
        : unanswered(deadline, timeoutMs);
    } catch (error) {
      // Thrown before it was sent: the connection is closed, or what was given cannot be a request.
      ports.onProblem(String(error));
      return error instanceof BusError && error.kind === 'closed'
        ? notSent('connect', 'the destination cannot be reached')
        : {
            ...notSent('invalid', 'the message cannot be sent to its destination'),
            repeat: 'never',
            health: 'none',
          };
    } finally {
      deadline.signal.removeEventListener('abort', abort);
    }
  }

  const attempts = createAttempts({ ...config, slots: maxUnderWay }, ports, once);
  return {
    isIdempotent: config.isIdempotent ?? false,
    send: (message) => attempts.send(message),
    state: () => attempts.state(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function replied({ payload, headers }: Extract<NatsAnswer, { kind: 'reply' }>, maxBytes: number): Attempted {
  const said = new Map([...headers].map(([name, value]) => [name.toLowerCase(), value]));
  const code = said.get(ERROR_CODE);
  if (code !== undefined) {
    const status = /^[1-9]\d{2}$/u.test(code) ? Number(code) : 500;
    return {
      result: {
        kind: 'failure',
        reason: 'upstream_failed',
        status: String(status),
        detail: `the destination answered with error ${status}`,
        isWithoutEffect: isWithoutEffect(status),
      },
      health: isUnhealthy(status) ? 'bad' : 'good',
      repeat: isPassing(status) ? 'recognised' : 'never',
    };
  }
  if (payload.length > maxBytes) {
    const detail = 'the destination answered with more than its route allows';
    return {
      result: { kind: 'failure', reason: 'too_large', status: 'too_large', detail, isWithoutEffect: false },
      health: 'good',
      repeat: 'never',
    };
  }
  const result: RouteResult = {
    kind: 'response',
    contentType: said.get('content-type') ?? DEFAULT_CONTENT_TYPE,
    // The reply is a view of what came in with it.
    body: payload.slice(),
    status: 'ok',
  };
  return { result, health: 'good', repeat: 'never' };
}

function notSent(status: string, detail: string): Attempted {
  const result = {
    kind: 'failure',
    reason: 'upstream_failed',
    status,
    detail,
    isWithoutEffect: true,
  } as const;
  return { result, health: 'bad', repeat: 'unsent' };
}

/** It was sent, and may have been carried out. */
function unanswered(deadline: Deadline, timeoutMs: number): Attempted {
  const isGivenUp = deadline.signal.aborted && !deadline.isLate();
  const isLate = deadline.isLate() || deadline.remainingMs() <= TIMER_MS;
  const result: RouteResult = {
    kind: 'failure',
    reason: isLate ? 'upstream_timeout' : 'upstream_failed',
    status: isGivenUp ? 'given_up' : isLate ? 'timeout' : 'broken',
    detail: isGivenUp
      ? 'the gateway stopped before the destination answered'
      : isLate
        ? `the destination did not answer within ${timeoutMs} ms`
        : 'the connection to the destination broke',
    isWithoutEffect: false,
  };
  return { result, health: isGivenUp ? 'none' : 'bad', repeat: isGivenUp ? 'never' : 'recognised' };
}
