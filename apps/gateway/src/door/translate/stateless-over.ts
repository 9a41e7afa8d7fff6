/**
 * A server of 2025-11-25 and before as a client of 2026-07-28 sees it. The table of what becomes of what is
 * docs/model-context.md.
 */
import {
  errorResponse,
  INVALID_PARAMS,
  INVALID_REQUEST,
  isNotification,
  isObject,
  isRequest,
  member,
  META,
  metaMember,
  METHOD_NOT_FOUND,
  MISSING_CLIENT_CAPABILITY,
  objectMember,
  resultResponse,
  REVISIONS,
  stringMember,
  URL_ELICITATION_REQUIRED,
  without,
  withMeta,
  type JsonObject,
  type JsonValue,
  type Notification,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Exchange,
  type MessageCall,
  type ModelContextServer,
  type ServerEvent,
} from '../ports.ts';
import { ASKING_METHODS, honoured, missingCapability, passes, serverCapabilities } from './capabilities.ts';
import { answer, exchangeOf, refusal, silence } from './exchanges.ts';
import { heldCalls } from './held-calls.ts';
import { mailbox } from './mailbox.ts';
import { TRANSLATE_LIMITS, type Facing, type TranslatePorts } from './ports.ts';
import { errorForStateless, resultForStateless, severityOf, statelessStatus } from './results.ts';
import { requestInSession, runningCall, SessionForgotten, type RunningCall } from './running-call.ts';
import { sessionPool } from './session-pool.ts';
import type { UpstreamSession } from './upstream-session.ts';

/** Methods that 2026-07-28 does not have although the server does. */
const GONE: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/cancel',
]);

const START_AGAIN =
  'No call waits for this input here any more (too late, or another replica): start the request again.';

/**
 * `server` speaks session revisions; what comes out speaks 2026-07-28. Disposing cancels calls that wait and ends the
 * sessions.
 */
export function statelessOver(server: ModelContextServer, ports: TranslatePorts): Facing {
  const limits = { ...TRANSLATE_LIMITS, ...ports.limits };
  const sessions = sessionPool(server, ports);
  const held = heldCalls(ports);

  async function request(call: MessageCall, asked: Request): Promise<Exchange> {
    if (GONE.has(asked.method))
      return refusal(asked.id, METHOD_NOT_FOUND, 'Method not found', { status: 404 });
    const capabilities = metaMember(asked, META.clientCapabilities);
    if (!isObject(capabilities)) {
      return refusal(asked.id, INVALID_PARAMS, `_meta.${META.clientCapabilities} is required.`, {
        status: 400,
      });
    }
    const level = metaMember(asked, META.logLevel);
    if (level !== undefined && severityOf(level) === undefined) {
      return refusal(asked.id, INVALID_PARAMS, `_meta.${META.logLevel} is no log level.`);
    }
    const state = member(asked.params, 'requestState');
    if (state !== undefined) return resume(call, asked, state);
    const client = { capabilities, info: metaMember(asked, META.clientInfo) ?? ports.implementation };
    // A server that forgot the session did nothing: asked once more in a new one.
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const session = await sessions.of(call, client);
      try {
        return await inSession(call, asked, session, capabilities);
      } catch (error) {
        if (!(error instanceof SessionForgotten)) throw error;
      }
    }
    throw new UpstreamFailure('unreachable', 'The server forgets its sessions at once.');
  }

  async function inSession(
    call: MessageCall,
    asked: Request,
    session: UpstreamSession,
    capabilities: JsonObject,
  ): Promise<Exchange> {
    if (asked.method === 'server/discover') return answer(discovered(asked.id, session));
    if (asked.method === 'subscriptions/listen') return subscribed(call, asked, session);
    await session.logAt(call, metaMember(asked, META.logLevel));
    const upstreamId = session.nextId();
    // The call may outlive this exchange, so it ends by a signal of its own, which the running call sees to.
    const ended = new AbortController();
    const exchange = session.send({ ...call, signal: ended.signal }, requestInSession(asked, upstreamId));
    const running: RunningCall = runningCall({
      session,
      capabilities,
      upstreamId,
      method: asked.method,
      exchange,
      ended,
      ports,
      limits,
      hold: () => held.hold(call.caller, asked, running),
      translate: (response, id) => translated(response, id, asked.method, session, capabilities),
    });
    return exchangeOf(running.events({ call, request: asked }), statelessStatus);
  }

  /** A retry with what the client gathered. */
  async function resume(call: MessageCall, asked: Request, state: JsonValue): Promise<Exchange> {
    const running = typeof state === 'string' ? held.take(call.caller, asked, state) : undefined;
    if (running === undefined) return refusal(asked.id, INVALID_PARAMS, START_AGAIN);
    await running.give(call, objectMember(asked.params, 'inputResponses') ?? {});
    return exchangeOf(running.events({ call, request: asked }), statelessStatus);
  }

  async function subscribed(call: MessageCall, asked: Request, session: UpstreamSession): Promise<Exchange> {
    const filter = objectMember(asked.params, 'notifications');
    if (filter === undefined) return refusal(asked.id, INVALID_PARAMS, '`notifications` must be a filter.');
    const wanted = honoured(filter, session.capabilities, limits.maxSubscriptions);
    return exchangeOf(changes(call, asked.id, wanted, session));
  }

  async function* changes(
    call: MessageCall,
    id: RequestId,
    wanted: JsonObject,
    session: UpstreamSession,
  ): AsyncGenerator<ServerEvent> {
    const box = mailbox<Notification>({
      capacity: 1_024,
      comfortable: 1_024,
      cancelled: () => new UpstreamFailure('cancelled', 'The client left.'),
    });
    const stamped = (notification: Notification): Notification =>
      withMeta(notification, { [META.subscriptionId]: id });
    let agreed: JsonObject = wanted;
    // Before subscribing, so that no change in between is lost.
    using _listening = session.listen((change) => {
      if (change === undefined) box.close();
      else if (passes(agreed, change)) box.put(change);
    });
    const uris = (member(wanted, 'resourceSubscriptions') as readonly string[] | undefined) ?? [];
    const taken: string[] = [];
    try {
      for (const uri of uris) if (await session.subscribe(call, uri)) taken.push(uri);
      agreed = uris.length === taken.length ? wanted : { ...without(wanted, 'resourceSubscriptions') };
      if (taken.length > 0) agreed = { ...agreed, resourceSubscriptions: taken };
      yield {
        message: stamped({
          jsonrpc: '2.0',
          method: 'notifications/subscriptions/acknowledged',
          params: { notifications: agreed },
        }),
      };
      while (Object.keys(agreed).length > 0) {
        const change = await box.take(call.signal);
        if (change === undefined) break;
        yield { message: stamped(change) };
      }
      yield { message: resultResponse(id, { resultType: 'complete', _meta: { [META.subscriptionId]: id } }) };
    } finally {
      for (const uri of taken) session.unsubscribe(call, uri).catch(() => undefined);
    }
  }

  return {
    send: async (call) => {
      if (isRequest(call.message)) return request(call, call.message);
      // 2026-07-28 has no notifications of clients over HTTP; a request ends with its stream.
      if (isNotification(call.message)) return silence();
      return refusal(undefined, INVALID_REQUEST, 'A client sends no responses in this revision.', {
        status: 400,
      });
    },
    listen: async () => silence(405),
    end: async () => silence(405),
    async [Symbol.asyncDispose]() {
      held[Symbol.dispose]();
      await sessions[Symbol.asyncDispose]();
    },
  };
}

const discovered = (id: RequestId, session: UpstreamSession): Response =>
  resultResponse(
    id,
    resultForStateless(
      'server/discover',
      {
        // The door speaks them all, whatever the server behind it speaks.
        supportedVersions: REVISIONS,
        capabilities: serverCapabilities(session.capabilities),
        ...(session.instructions === undefined ? {} : { instructions: session.instructions }),
      },
      session.serverInfo,
    ),
  );

function translated(
  response: Response,
  id: RequestId,
  method: string,
  session: UpstreamSession,
  capabilities: JsonObject,
): Response {
  if ('result' in response)
    return resultResponse(id, resultForStateless(method, response.result, session.serverInfo));
  const { code, message, data } = errorForStateless(response.error);
  if (code === URL_ELICITATION_REQUIRED && ASKING_METHODS.has(method)) {
    return urlsRequired(id, data, capabilities) ?? errorResponse(id, code, message, data);
  }
  return errorResponse(id, code, message, data);
}

/** The error of 2025-11-25 that sends the user to URLs first is input that is required. Its retry starts anew, without state. */
function urlsRequired(
  id: RequestId,
  data: JsonValue | undefined,
  capabilities: JsonObject,
): Response | undefined {
  const elicitations = member(data, 'elicitations');
  if (!Array.isArray(elicitations) || elicitations.length === 0) return undefined;
  const requests: Record<string, JsonValue> = {};
  for (const [at, elicitation] of (elicitations as readonly JsonValue[]).entries()) {
    if (!isObject(elicitation) || stringMember(elicitation, 'url') === undefined) return undefined;
    const params = { ...without(elicitation, 'elicitationId'), mode: 'url' };
    const missing = missingCapability({ method: 'elicitation/create', params }, capabilities);
    if (missing !== undefined) {
      return errorResponse(id, MISSING_CLIENT_CAPABILITY, 'The server sends its user to a URL first.', {
        requiredCapabilities: missing,
      });
    }
    requests[`url-${at + 1}`] = { method: 'elicitation/create', params };
  }
  return resultResponse(id, { resultType: 'input_required', inputRequests: requests });
}
