/** The federated door for clients of 2025-11-25 and before: one session here, one behind it at each server. */
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  isNotification,
  isRequest,
  isResponse,
  METHOD_NOT_FOUND,
  objectMember,
  resultResponse,
  RETRY_LATER,
  REVISIONS,
  stringMember,
  type JsonObject,
  type Message,
  type Request,
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
import { isChange } from '../translate/capabilities.ts';
import { clientSessions, type ClientSession } from '../translate/client-sessions.ts';
import { answer, leave, refusal, silence } from '../translate/exchanges.ts';
import { severityOf } from '../translate/results.ts';
import { isList } from './directory.ts';
import { memberSessions, type MemberSessions } from './member-sessions.ts';
import { answeredBy, merged, type Follow, type Members } from './members.ts';
import { FEDERATED_ROUTE } from './ports.ts';
import { askAll, within, type Reach } from './reach.ts';
import { together } from './streams.ts';

const LATEST_SESSION_REVISION: Revision = '2025-11-25';

const UNJUDGED = 'Nothing was done: nobody can say now whether this session is good. Try again later.';
const RETRY_AFTER_MS = 1_000;

type Behind = { readonly members: MemberSessions; latest: Call };

/**
 * Sessions are kept in this process; disposing ends them and those behind them. `send`, `listen` and `end` answer 404
 * for a session that is none, and reject with `UpstreamFailure` when no server answers.
 */
export function sessionDoor(door: Members): ModelContextServer & Disposable {
  const { servers, ports, limits } = door;
  const behind = new WeakMap<ClientSession, Behind>();
  const sessions = clientSessions(
    {
      now: ports.now,
      randomBytes: ports.randomBytes,
      limits: {
        maxClientSessions: limits.maxSessions,
        maxClientSessionsPerPrincipal: limits.maxSessionsPerPrincipal,
        clientSessionIdleMs: limits.sessionIdleMs,
      },
    },
    (session) => {
      const gone = behind.get(session);
      if (gone === undefined) return;
      const call = { ...gone.latest, signal: AbortSignal.timeout(limits.listDeadlineMs) };
      gone.members.end(call).catch(() => undefined);
    },
  );

  const sessionReach = async (call: Call, own: MemberSessions): Promise<Reach> => ({
    isStateless: false,
    routes: await door.routesOf(call.caller),
    send: (route, message, signal) => own.send(route, { ...call, signal }, message),
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
    const own = membersOf(session, call);
    const reach = await sessionReach(call, own);
    try {
      const answers = await askAll(reach, call, request.method, (route) => own.open(route, call), door);
      const result: JsonObject = {
        protocolVersion: revision,
        serverInfo: ports.implementation,
        ...merged(answeredBy(answers, reach.routes)),
      };
      const { caller } = call;
      const handle = { kind: 'session', caller, route: FEDERATED_ROUTE, value: session.id } as const;
      const sessionId = await ports.handles.seal(handle).catch((cause: unknown) => {
        throw new UpstreamFailure('busy', 'a session could not be sealed', { cause });
      });
      return { ...answer(resultResponse(request.id, result)), sessionId };
    } catch (error) {
      sessions.end(call.caller, session.id);
      throw error;
    }
  }

  const membersOf = (session: ClientSession, call: Call): MemberSessions => {
    const { message: _, ...latest } = call as MessageCall;
    const known: Behind = behind.get(session) ?? {
      members: memberSessions(servers, session, { ...ports, ...limits }),
      latest,
    };
    known.latest = latest;
    behind.set(session, known);
    return known.members;
  };

  async function inSession(call: MessageCall, session: ClientSession): Promise<Exchange> {
    const { message } = call;
    const own = membersOf(session, call);
    const reach = await sessionReach(call, own);
    if (isResponse(message)) {
      const target = own.answer(message);
      if (target === undefined) await ports.refused?.(call, 'send', 'request_unknown');
      else await leave(await own.send(target.route, call, target.response));
      return silence();
    }
    if (!isRequest(message)) {
      await notify(call, message, own);
      return silence();
    }
    switch (message.method) {
      case 'ping':
        return answer(resultResponse(message.id, {}));
      case 'logging/setLevel':
        return setLevel(call, message, session, own);
      case 'server/discover':
      case 'subscriptions/listen':
        await ports.refused?.(call, 'send', 'method_unknown');
        return refusal(message.id, METHOD_NOT_FOUND, 'Method not found');
      default:
        if (isList(message.method)) return door.list(call, message, reach, message.method);
        return door.passOn(call, message, reach, following(message, session, own));
    }
  }

  /** Known while it is under way, so that it can be cancelled; requests that its server makes get ids of ours. */
  const following =
    (request: Request, session: ClientSession, own: MemberSessions): Follow =>
    async (route, asked) => {
      own.underWay.set(request.id, route);
      // A session with a call under way is not idle.
      session.underWay.set(request.id, new AbortController());
      const over = (): void => {
        own.underWay.delete(request.id);
        session.underWay.delete(request.id);
      };
      try {
        const exchange = await asked();
        return { ...exchange, messages: fromServerAll(route, exchange, own, over) };
      } catch (error) {
        over();
        throw error;
      }
    };
  async function* fromServerAll(
    route: string,
    exchange: Exchange,
    own: MemberSessions,
    over: () => void,
  ): AsyncGenerator<ServerEvent> {
    try {
      for await (const { message } of exchange.messages) {
        const event = message === undefined ? undefined : fromServer(route, message, own);
        if (event !== undefined) yield event;
      }
    } finally {
      over();
    }
  }

  const fromServer = (route: string, message: Message, own: MemberSessions): ServerEvent | undefined => {
    if (isRequest(message)) {
      const asked = own.ask(route, message);
      return asked === undefined ? undefined : { message: asked };
    }
    if (!isNotification(message) || message.method !== 'notifications/cancelled') return { message };
    const ours = own.withdrawn(route, message.params?.['requestId']);
    return ours === undefined
      ? undefined
      : { message: { ...message, params: { ...message.params, requestId: ours } } };
  };

  async function notify(call: Call, message: Message, own: MemberSessions): Promise<void> {
    if (!('method' in message) || message.method === 'notifications/initialized') return;
    const id = message.params?.['requestId'];
    const isCancel = message.method === 'notifications/cancelled';
    const at = typeof id === 'string' || typeof id === 'number' ? own.underWay.get(id) : undefined;
    const routes = isCancel ? (at === undefined ? [] : [at]) : own.opened;
    await told(routes, call, message, own);
  }

  /** All at the same time; one that hangs is not waited for longer than for a list. */
  async function told(routes: readonly string[], call: Call, message: Message, own: MemberSessions) {
    await Promise.allSettled(
      routes.map(async (route) => {
        using deadline = within(call, limits.listDeadlineMs, ports);
        const telling = own.send(route, { ...call, signal: deadline.signal }, message).then(leave);
        return await Promise.race([telling, deadline.late]);
      }),
    );
  }

  async function setLevel(
    call: Call,
    request: Request,
    session: ClientSession,
    own: MemberSessions,
  ): Promise<Exchange> {
    const level = request.params?.['level'];
    if (severityOf(level) === undefined)
      return refusal(request.id, INVALID_PARAMS, '`level` is no log level.');
    session.logLevel = level;
    await told(own.opened, call, request, own);
    return answer(resultResponse(request.id, {}));
  }

  async function sessionOf(call: Call, what: 'send' | 'listen' | 'end'): Promise<ClientSession | Exchange> {
    if (call.sessionId === undefined) {
      return refusal(undefined, INVALID_REQUEST, 'Mcp-Session-Id is required.', { status: 400 });
    }
    const { caller, sessionId: sealed } = call;
    let id: string | undefined;
    try {
      id = await ports.handles.open({ kind: 'session', caller, route: FEDERATED_ROUTE, sealed });
    } catch {
      await ports.refused?.(call, what, 'unavailable');
      return refusal(undefined, RETRY_LATER, UNJUDGED, {
        status: 503,
        data: { reason: 'unavailable', retryAfterMs: RETRY_AFTER_MS },
      });
    }
    const session = id === undefined ? undefined : sessions.of(caller, id);
    if (session !== undefined) return session;
    await ports.refused?.(call, what, 'session_unknown');
    return refusal(undefined, INVALID_REQUEST, 'Session not found', { status: 404 });
  }

  async function* stream(call: ListenCall, session: ClientSession): AsyncGenerator<ServerEvent> {
    const { lastEventId: _, ...own } = call;
    const at = membersOf(session, own);
    const ended = new AbortController();
    session.stream?.end();
    const mine = { changed: () => undefined, end: () => ended.abort() };
    session.stream = mine;
    const signal = AbortSignal.any([call.signal, ended.signal]);
    const routes = await door.routesOf(call.caller);
    const sources = routes.map((route) => ({
      route,
      open: (until: AbortSignal) => at.listen(route, { ...own, signal: until }),
    }));
    const failed = (route: string, cause: unknown): void => ports.leftOut({ route, method: 'listen', cause });
    try {
      for await (const { route, message } of together(sources, signal, failed)) {
        if (isNotification(message) && isChange(message.method)) door.directoryOf(call).changed();
        const event = isResponse(message) ? undefined : fromServer(route, message, at);
        if (event !== undefined) yield event;
      }
    } catch (error) {
      // A newer stream, or the session's end, takes its place.
      if (!ended.signal.aborted) throw error;
    } finally {
      ended.abort();
      if (session.stream === mine) delete session.stream;
    }
  }

  return {
    async send(call) {
      if (isRequest(call.message) && call.message.method === 'initialize')
        return initialize(call, call.message);
      const session = await sessionOf(call, 'send');
      return 'status' in session ? session : inSession(call, session);
    },
    async listen(call) {
      const session = await sessionOf(call, 'listen');
      if ('status' in session) return session;
      return { status: 200, kind: 'events', messages: stream(call, session) };
    },
    async end(call) {
      const session = await sessionOf(call, 'end');
      if ('status' in session) return session;
      membersOf(session, call);
      sessions.end(call.caller, session.id);
      return silence(200);
    },
    [Symbol.dispose]: () => sessions[Symbol.dispose](),
  };
}
