/** How one client's requests get to each server, whatever the era; and asking several at once. */
import {
  isResponse,
  METHOD_NOT_FOUND,
  REFUSED,
  type JsonObject,
  type Message,
  type Request,
  type Response,
} from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Exchange } from '../ports.ts';
import { leave } from '../translate/exchanges.ts';
import type { FederateLimits, FederatePorts } from './ports.ts';

export type Reach = {
  /** Of those that the caller may use, in configured order. */
  readonly routes: readonly string[];
  /** Rejects with `UpstreamFailure`. */
  send(route: string, message: Message, signal: AbortSignal): Promise<Exchange>;
  readonly isStateless: boolean;
};

export type Answered = { readonly route: string; readonly result: JsonObject };

/** Not for this caller, or nothing that the server has: no failure. */
const NO_PART: ReadonlySet<number> = new Set([REFUSED, METHOD_NOT_FOUND]);

/** A signal that ends with the call, or after a while. */
export const within = (
  call: Pick<Call, 'signal'>,
  delayMs: number,
  ports: Pick<FederatePorts, 'schedule'>,
) => {
  const late = new AbortController();
  const timer = ports.schedule(delayMs, () => late.abort());
  const signal = AbortSignal.any([call.signal, late.signal]);
  return {
    signal,
    /** Also when the server does not mind the signal. */
    late: new Promise<never>((_, reject) => {
      const end = (): void => reject(new UpstreamFailure('timeout', 'The server was too slow.'));
      if (signal.aborted) end();
      signal.addEventListener('abort', end, { once: true });
    }),
    [Symbol.dispose]: () => timer[Symbol.dispose](),
  };
};

/** Until when a route that was too slow is waited for less: everybody would wait for it, each time. */
export type SlowRoutes = Map<string, number>;
export type Asking = {
  readonly ports: FederatePorts;
  readonly limits: FederateLimits;
  readonly slow: SlowRoutes;
};

/**
 * Asks every route at the same time; one that fails, is slow or refuses is not among the answers. Reports but for refusals. Those
 * that were too slow lately may have answered when the others have, or a moment after.
 */
export async function askAll<T>(
  reach: Reach,
  call: Pick<Call, 'signal'>,
  method: string,
  ask: (route: string, signal: AbortSignal) => Promise<T>,
  { ports, limits, slow }: Asking,
): Promise<readonly { readonly route: string; readonly answer: T }[]> {
  const answers = new Map<string, T>();
  const done = new Set<string>();
  async function asked(route: string): Promise<void> {
    using deadline = within(call, limits.listDeadlineMs, ports);
    deadline.late.catch(() => undefined);
    try {
      answers.set(route, await Promise.race([ask(route, deadline.signal), deadline.late]));
      slow.delete(route);
    } catch (cause) {
      const isExpected = cause instanceof Refusal && NO_PART.has(cause.response.error.code);
      if (isExpected || call.signal.aborted) return;
      if (deadline.signal.aborted) slow.set(route, ports.now() + limits.slowForMs);
      ports.leftOut({ route, method, cause });
    } finally {
      done.add(route);
    }
  }
  const isSlow = (route: string): boolean => ports.now() < (slow.get(route) ?? -Infinity);
  const late = reach.routes.filter(isSlow);
  const others = reach.routes.filter((route) => !late.includes(route));
  const waits = late.map(asked);
  await Promise.all(others.map(asked));
  if (others.length === 0) await Promise.all(waits);
  else if (late.some((route) => !done.has(route))) {
    using moment = within(call, limits.slowDeadlineMs, ports);
    await Promise.race([Promise.all(waits), moment.late]).catch(() => undefined);
  }
  if (call.signal.aborted) throw new UpstreamFailure('cancelled', 'The client left.');
  return reach.routes.flatMap((route) =>
    answers.has(route) ? [{ route, answer: answers.get(route) as T }] : [],
  );
}

/** A server's error where a result was needed. */
export class Refusal extends Error {
  readonly response: Extract<Response, { readonly error: unknown }>;
  constructor(response: Extract<Response, { readonly error: unknown }>) {
    super(response.error.message);
    this.name = 'Refusal';
    this.response = response;
  }
}

/** The result of one request. Rejects with `Refusal` or `UpstreamFailure`. */
export async function resultOf(
  reach: Reach,
  route: string,
  request: Request,
  signal: AbortSignal,
): Promise<JsonObject> {
  const exchange = await reach.send(route, request, signal);
  try {
    for await (const { message } of exchange.messages) {
      if (message === undefined || !isResponse(message)) continue;
      if ('error' in message) throw new Refusal(message);
      return message.result;
    }
  } finally {
    await leave(exchange);
  }
  throw new UpstreamFailure('broke_off', `The server answered ${exchange.status} and no response.`);
}
