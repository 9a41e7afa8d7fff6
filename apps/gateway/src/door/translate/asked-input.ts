/** What a stateless server wants to know, asked of a session client by requests on its stream. */
import {
  errorResponse,
  INTERNAL_ERROR,
  INVALID_REQUEST,
  isObject,
  objectMember,
  stringMember,
  type ErrorResponse,
  type JsonObject,
  type JsonValue,
  type Response,
} from '@sallyport/model-context';
import type { ServerEvent } from '../ports.ts';
import { INPUT_METHODS, missingCapability } from './capabilities.ts';
import type { ClientSession } from './client-sessions.ts';
import type { TranslateLimits, TranslatePorts } from './ports.ts';

export type Inputs = { readonly responses: JsonObject } | { readonly error: ErrorResponse['error'] };

/** Yields the requests, returns what came back. An error of the client's ends the call, but a failed elicitation is a `cancel`. */
export async function* askedInput(
  requests: JsonObject,
  options: {
    readonly session: ClientSession;
    readonly signal: AbortSignal;
    readonly ports: TranslatePorts;
    readonly limits: TranslateLimits;
  },
): AsyncGenerator<ServerEvent, Inputs> {
  const { session, signal, ports, limits } = options;
  const entries = Object.entries(requests);
  if (entries.length > limits.maxInputRequests)
    return failed(`The server asks for ${entries.length} inputs at once.`);
  const waiting: {
    readonly key: string;
    readonly method: string;
    readonly id: string;
    readonly response: Promise<Response>;
  }[] = [];
  const ids: string[] = [];
  const ends: (() => void)[] = [];
  try {
    for (const [key, request] of entries) {
      const method = stringMember(request, 'method');
      if (method === undefined || !INPUT_METHODS.has(method))
        return failed('The server asks for what no client answers.');
      const params = objectMember(request, 'params');
      const missing = missingCapability(
        { method, ...(params === undefined ? {} : { params }) },
        session.capabilities,
      );
      if (missing !== undefined)
        return failed(`The server asks for what the client does not offer: ${Object.keys(missing).join()}.`);
      const id = `sallyport-${random(ports)}`;
      ids.push(id);
      const response = new Promise<Response>((resolve) => {
        session.asked.set(id, resolve);
        const stop = (): void =>
          resolve(errorResponse(id, INTERNAL_ERROR, 'The client did not answer in time.'));
        const timer = ports.schedule(limits.clientAnswerMs, stop);
        signal.addEventListener('abort', stop, { once: true });
        ends.push(() => {
          timer[Symbol.dispose]();
          signal.removeEventListener('abort', stop);
        });
      });
      waiting.push({ key, method, id, response });
      const asked = sessionParams(method, params, ports);
      yield { message: { jsonrpc: '2.0', id, method, ...(asked === undefined ? {} : { params: asked }) } };
    }
    const responses: Record<string, JsonValue> = {};
    for (const { key, method, response } of waiting) {
      const given = await response;
      if ('result' in given) responses[key] = given.result;
      else if (method === 'elicitation/create') responses[key] = { action: 'cancel' };
      else return { error: given.error };
    }
    return { responses };
  } finally {
    for (const id of ids) session.asked.delete(id);
    for (const end of ends) end();
  }
}

const failed = (message: string): Inputs => ({ error: { code: INVALID_REQUEST, message } });

const random = (ports: TranslatePorts): string => Buffer.from(ports.randomBytes(12)).toString('base64url');

/** 2025-11-25 "Elicitation": a URL's elicitation has an id, which 2026-07-28 does not. */
const sessionParams = (
  method: string,
  params: JsonObject | undefined,
  ports: TranslatePorts,
): JsonObject | undefined =>
  method === 'elicitation/create' && isObject(params) && params['mode'] === 'url'
    ? { ...params, elicitationId: random(ports) }
    : params;
