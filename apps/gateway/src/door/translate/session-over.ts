/**
 * A server of 2026-07-28 as a client of 2025-11-25, 2025-06-18 or 2025-03-26 sees it. The table of what becomes of what is
 * docs/model-context.md.
 */
import {
  errorResponse,
  INVALID_PARAMS,
  INVALID_REQUEST,
  isNotification,
  isRequest,
  isResponse,
  member,
  META,
  METHOD_NOT_FOUND,
  objectMember,
  resultResponse,
  REVISIONS,
  stringMember,
  without,
  withMeta,
  type JsonObject,
  type JsonValue,
  type Notification,
  type Request,
  type Response,
  type Revision,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Exchange,
  type ListenCall,
  type MessageCall,
  type ModelContextServer,
  type ServerEvent,
} from '../ports.ts';
import { askedInput } from './asked-input.ts';
import { clientCapabilitiesForStateless, serverCapabilities } from './capabilities.ts';
import { clientSessions, type ClientSession } from './client-sessions.ts';
import { answer, exchangeOf, refusal, responseOf, silence } from './exchanges.ts';
import { TRANSLATE_LIMITS, type Facing, type TranslatePorts } from './ports.ts';
import { errorForSession, resultForSession, severityOf } from './results.ts';
import { sessionStream } from './session-stream.ts';
import { pause } from './time.ts';

const LATEST_SESSION_REVISION: Revision = '2025-11-25';
/** Methods of 2026-07-28 that earlier revisions do not have. */
const NOT_YET: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen']);

/**
 * `server` speaks 2026-07-28; what comes out speaks the session revisions. Session ids are not sealed yet. Disposing
 * ends the sessions.
 */
export function sessionOver(server: ModelContextServer, ports: TranslatePorts): Facing {
  const limits = { ...TRANSLATE_LIMITS, ...ports.limits };
  const sessions = clientSessions(ports);

  /** As the server takes it: everything that the session knows is on it. */
  const stateless = (
    call: Call,
    session: ClientSession,
    request: Request,
    signal = call.signal,
  ): MessageCall => ({
    caller: call.caller,
    revision: '2026-07-28',
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
    signal,
    message: withMeta(request, {
      [META.protocolVersion]: '2026-07-28',
      [META.clientInfo]: session.clientInfo,
      [META.clientCapabilities]: clientCapabilitiesForStateless(session.capabilities),
      ...(session.logLevel === undefined ? {} : { [META.logLevel]: session.logLevel }),
    }),
  });

  async function initialize(call: MessageCall, request: Request): Promise<Exchange> {
    const wanted = stringMember(request.params, 'protocolVersion');
    const capabilities = objectMember(request.params, 'capabilities');
    const clientInfo = objectMember(request.params, 'clientInfo');
    if (wanted === undefined || capabilities === undefined || clientInfo === undefined) {
      return refusal(
        request.id,
        INVALID_PARAMS,
        'initialize needs protocolVersion, capabilities and clientInfo.',
      );
    }
    const revision =
      REVISIONS.find((known) => known === wanted && known !== '2026-07-28') ?? LATEST_SESSION_REVISION;
    const session = sessions.open(call.caller, { revision, capabilities, clientInfo });
    const discover: Request = { jsonrpc: '2.0', id: request.id, method: 'server/discover' };
    const response = await responseOf(await server.send(stateless(call, session, discover)));
    if ('error' in response) {
      const { code, message, data } = errorForSession(request.method, response.error);
      return refusal(request.id, code, message, data === undefined ? {} : { data });
    }
    const { result } = response;
    const instructions = stringMember(result, 'instructions');
    const initialized = resultResponse(request.id, {
      protocolVersion: revision,
      capabilities: serverCapabilities(objectMember(result, 'capabilities') ?? {}),
      serverInfo: serverInfoOf(result) ?? ports.implementation,
      ...(instructions === undefined ? {} : { instructions }),
    });
    return { ...answer(initialized), sessionId: session.id };
  }

  async function request(call: MessageCall, asked: Request, session: ClientSession): Promise<Exchange> {
    switch (asked.method) {
      case 'ping':
        return answer(resultResponse(asked.id, {}));
      case 'logging/setLevel': {
        const level = member(asked.params, 'level');
        if (severityOf(level) === undefined)
          return refusal(asked.id, INVALID_PARAMS, '`level` is no log level.');
        session.logLevel = level;
        return answer(resultResponse(asked.id, {}));
      }
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return subscribe(asked, session);
      default:
        if (NOT_YET.has(asked.method)) return refusal(asked.id, METHOD_NOT_FOUND, 'Method not found');
        return exchangeOf(rounds(call, asked, session));
    }
  }

  function subscribe(asked: Request, session: ClientSession): Exchange {
    const uri = stringMember(asked.params, 'uri');
    if (uri === undefined) return refusal(asked.id, INVALID_PARAMS, '`uri` is required.');
    if (asked.method === 'resources/unsubscribe') session.subscriptions.delete(uri);
    else if (session.subscriptions.size >= limits.maxSubscriptions && !session.subscriptions.has(uri)) {
      return refusal(
        asked.id,
        INVALID_REQUEST,
        `A session has at most ${limits.maxSubscriptions} subscriptions.`,
      );
    } else session.subscriptions.add(uri);
    session.stream?.changed();
    return answer(resultResponse(asked.id, {}));
  }

  /** The request again and again, with what the client gathered, until it is complete. */
  async function* rounds(
    call: MessageCall,
    asked: Request,
    session: ClientSession,
  ): AsyncGenerator<ServerEvent> {
    const ended = new AbortController();
    const signal = AbortSignal.any([call.signal, ended.signal]);
    session.underWay.set(asked.id, ended);
    const plain =
      asked.params === undefined
        ? asked
        : { ...asked, params: without(asked.params, 'task', 'inputResponses', 'requestState') };
    let gathered: JsonObject = {};
    try {
      for (let round = 0; round < limits.maxInputRounds; round += 1) {
        const again: Request = { ...plain, params: { ...plain.params, ...gathered } };
        let response: Response | undefined;
        const exchange = await server.send(stateless(call, session, again, signal));
        for await (const { message } of exchange.messages) {
          if (message === undefined || isRequest(message)) continue;
          if (!isNotification(message)) response = message;
          else yield { message: forSession(message) };
          if (response !== undefined) break;
        }
        if (response === undefined)
          throw new UpstreamFailure('broke_off', 'The server ended without a response.');
        const input = inputOf(response);
        if (input === undefined) {
          yield { message: final(asked, response) };
          return;
        }
        if (input.requests === undefined) await pause(ports, Math.min(1_000, 100 * 2 ** round), signal);
        const inputs = yield* askedInput(input.requests ?? {}, { session, signal, ports, limits });
        if ('error' in inputs) {
          yield { message: errorResponse(asked.id, inputs.error.code, inputs.error.message) };
          return;
        }
        gathered = {
          ...(input.requests === undefined ? {} : { inputResponses: inputs.responses }),
          ...(input.state === undefined ? {} : { requestState: input.state }),
        };
      }
      yield {
        message: errorResponse(
          asked.id,
          INVALID_REQUEST,
          `The server asked for input ${limits.maxInputRounds} times.`,
        ),
      };
    } finally {
      ended.abort();
      if (session.underWay.get(asked.id) === ended) session.underWay.delete(asked.id);
    }
  }

  async function notified(notification: Notification, session: ClientSession): Promise<Exchange> {
    const id = member(notification.params, 'requestId');
    if (
      notification.method === 'notifications/cancelled' &&
      (typeof id === 'string' || typeof id === 'number')
    ) {
      session.underWay.get(id)?.abort();
    }
    return silence();
  }

  const known = (call: Call): ClientSession | Exchange => {
    if (call.sessionId === undefined) {
      return refusal(undefined, INVALID_REQUEST, 'Mcp-Session-Id is required.', { status: 400 });
    }
    // 2025-11-25 "Transports", "Session Management": 404 tells the client to begin anew.
    return (
      sessions.of(call.caller, call.sessionId) ??
      refusal(undefined, INVALID_REQUEST, 'Session not found', { status: 404 })
    );
  };

  return {
    async send(call) {
      const { message } = call;
      if (isRequest(message) && message.method === 'initialize') return initialize(call, message);
      const session = known(call);
      if (!('id' in session)) return session;
      if (isRequest(message)) return request(call, message, session);
      if (!isResponse(message)) return notified(message, session);
      if (message.id !== undefined && message.id !== null) session.asked.get(message.id)?.(message);
      return silence();
    },
    async listen(call: ListenCall) {
      const session = known(call);
      if (!('id' in session)) return session;
      return {
        status: 200,
        kind: 'events',
        messages: sessionStream(call, session, { server, stateless, ports }),
      };
    },
    async end(call) {
      const session = known(call);
      if (!('id' in session)) return session;
      sessions.end(call.caller, session.id);
      return silence(200);
    },
    async [Symbol.asyncDispose]() {
      sessions[Symbol.dispose]();
    },
  };
}

/** In the result's `_meta`; drafts had it beside the capabilities. */
const serverInfoOf = (result: JsonObject): JsonObject | undefined =>
  objectMember(objectMember(result, '_meta'), META.serverInfo) ?? objectMember(result, 'serverInfo');

const forSession = (notification: Notification): Notification =>
  withMeta(notification, { [META.subscriptionId]: undefined });

type Input = { readonly requests?: JsonObject; readonly state?: JsonValue };
const inputOf = (response: Response): Input | undefined => {
  if (!('result' in response) || member(response.result, 'resultType') !== 'input_required') return undefined;
  const requests = objectMember(response.result, 'inputRequests');
  const state = member(response.result, 'requestState');
  return { ...(requests === undefined ? {} : { requests }), ...(state === undefined ? {} : { state }) };
};

const final = (asked: Request, response: Response): Response => {
  if ('error' in response) {
    const { code, message, data } = errorForSession(asked.method, response.error);
    return errorResponse(asked.id, code, message, data);
  }
  const type = member(response.result, 'resultType') ?? 'complete';
  // 2026-07-28 "Base protocol": what is not known is invalid.
  if (type !== 'complete') {
    return errorResponse(
      asked.id,
      INVALID_REQUEST,
      'The server answered with something that this revision does not have.',
    );
  }
  return resultResponse(asked.id, resultForSession(asked.method, response.result));
};
