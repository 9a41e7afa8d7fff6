/** All routes as one server, for clients of both eras. The table of what becomes of what is docs/model-context.md. */
import {
  eraOf,
  INVALID_PARAMS,
  INVALID_REQUEST,
  isNotification,
  isRequest,
  isResponse,
  META,
  METHOD_NOT_FOUND,
  objectMember,
  resultResponse,
  REVISIONS,
  stringMember,
  withMeta,
  type JsonObject,
  type Message,
  type Request,
  type Revision,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Caller,
  type Exchange,
  type ListenCall,
  type MessageCall,
  type ModelContextServer,
  type ServerEvent,
} from '../ports.ts';
import { isChange } from '../translate/capabilities.ts';
import { clientSessions, type ClientSession } from '../translate/client-sessions.ts';
import { answer, exchangeOf, leave, refusal, silence } from '../translate/exchanges.ts';
import { severityOf } from '../translate/results.ts';
import { createDirectory, isList, LISTS, type Directory, type ListMethod } from './directory.ts';
import { listened } from './listened.ts';
import { memberSessions, type MemberSessions } from './member-sessions.ts';
import { capabilitiesOf, completeResult, instructionsOf, unionOf } from './merge.ts';
import { FEDERATE_LIMITS, FEDERATED_ROUTE, type FederatePorts } from './ports.ts';
import { askAll, resultOf, type Answered, type Reach } from './reach.ts';
import { routed } from './routed.ts';
import { together } from './streams.ts';

const LATEST_SESSION_REVISION: Revision = '2025-11-25';

/** The order of `servers` is the configured one and decides where URIs collide. */
export function federated(
  servers: ReadonlyMap<string, ModelContextServer>,
  ports: FederatePorts,
): ModelContextServer & AsyncDisposable {
  const limits = { ...FEDERATE_LIMITS, ...ports.limits };
  const options = { ports, limits };
  const directories = new Map<string, Directory>();
  const members = new WeakMap<ClientSession, { readonly members: MemberSessions; latest: Call }>();
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
      const gone = members.get(session);
      if (gone === undefined) return;
      const call = { ...gone.latest, signal: AbortSignal.timeout(limits.listDeadlineMs) };
      gone.members.end(call).catch(() => undefined);
    },
  );

  const routesOf = async (caller: Caller): Promise<readonly string[]> => {
    const all = [...servers.keys()];
    const may = await Promise.all(all.map(async (route) => ports.mayUse?.(caller, route) ?? true));
    return all.filter((_, at) => may[at] === true);
  };
  /** Of one caller through one client: what it is listed may differ from another's. */
  const directoryOf = (call: Call): Directory => {
    const { principal, clientId, scopes } = call.caller;
    const key = JSON.stringify([
      principal.tenant,
      principal.id,
      clientId,
      [...scopes].toSorted(),
      eraOf(call.revision),
    ]);
    const directory = directories.get(key) ?? createDirectory(ports, limits);
    directories.delete(key);
    directories.set(key, directory);
    if (directories.size > limits.maxDirectories)
      for (const oldest of directories.keys()) if (directories.delete(oldest)) break;
    return directory;
  };

  /** Without sessions every request of ours needs what the client's own has. */
  const statelessReach = async (call: MessageCall): Promise<Reach> => {
    const { sessionId: _, parameterHeaders, ...own } = call;
    const meta = objectMember('method' in call.message ? call.message.params : undefined, '_meta') ?? {};
    const carried = Object.fromEntries(
      [META.protocolVersion, META.clientInfo, META.clientCapabilities].flatMap((name) => {
        const value = meta[name];
        return value === undefined ? [] : [[name, value] as const];
      }),
    );
    return {
      isStateless: true,
      routes: await routesOf(call.caller),
      send: async (route, message, signal) => {
        const server = servers.get(route);
        if (server === undefined) throw new UpstreamFailure('unreachable', 'There is no such server.');
        const isCall =
          parameterHeaders !== undefined && 'method' in message && message.method === 'tools/call';
        return server.send({
          ...own,
          signal,
          message: withMeta(message, carried),
          ...(isCall ? { parameterHeaders } : {}),
        });
      },
    };
  };
  const sessionReach = async (call: Call, own: MemberSessions): Promise<Reach> => ({
    isStateless: false,
    routes: await routesOf(call.caller),
    send: (route, message, signal) => own.send(route, { ...call, signal }, message),
  });

  const merged = (answers: readonly Answered[]) => {
    const instructions = instructionsOf(answers);
    return {
      capabilities: unionOf(answers.map(({ result }) => capabilitiesOf(result))),
      ...(instructions === undefined ? {} : { instructions }),
    };
  };
  const answeredBy = (
    answers: readonly { readonly route: string; readonly answer: JsonObject }[],
    routes: readonly string[],
  ) => {
    if (answers.length === 0 && routes.length > 0)
      throw new UpstreamFailure('unreachable', 'No server answers.');
    return answers.map(({ route, answer: result }): Answered => ({ route, result }));
  };

  async function discover(call: MessageCall, request: Request, reach: Reach): Promise<Exchange> {
    const ask: Request = { jsonrpc: '2.0', id: 'discover', method: 'server/discover' };
    const answers = await askAll(
      reach,
      call,
      request.method,
      (route, signal) => resultOf(reach, route, ask, signal),
      options,
    );
    const parts = answeredBy(answers, reach.routes);
    const result: JsonObject = { supportedVersions: REVISIONS, ...merged(parts) };
    const complete = completeResult(
      result,
      parts.map((part) => part.result),
      ports.implementation,
      true,
    );
    return answer(resultResponse(request.id, complete));
  }

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
      const answers = await askAll(reach, call, request.method, (route) => own.open(route, call), options);
      const result: JsonObject = {
        protocolVersion: revision,
        serverInfo: ports.implementation,
        ...merged(answeredBy(answers, reach.routes)),
      };
      const { caller } = call;
      const sessionId = await ports.handles.seal({
        kind: 'session',
        caller,
        route: FEDERATED_ROUTE,
        value: session.id,
      });
      return { ...answer(resultResponse(request.id, result)), sessionId };
    } catch (error) {
      sessions.end(call.caller, session.id);
      throw error;
    }
  }

  const membersOf = (session: ClientSession, call: Call): MemberSessions => {
    const { message: _, ...latest } = call as MessageCall;
    const known = members.get(session) ?? {
      members: memberSessions(servers, session, { ...ports, ...limits }),
      latest,
    };
    known.latest = latest;
    members.set(session, known);
    return known.members;
  };

  async function list(call: Call, request: Request, reach: Reach, method: ListMethod): Promise<Exchange> {
    // Everything is on the first page: names depend on all of it.
    if (request.params?.['cursor'] !== undefined)
      return refusal(request.id, INVALID_PARAMS, 'There is no such page.');
    const { items, parts } = await directoryOf(call).list(call, reach, method);
    const result = completeResult(
      { [LISTS[method].items]: items },
      parts,
      ports.implementation,
      reach.isStateless,
    );
    return answer(resultResponse(request.id, result));
  }

  /** One that a single server answers: sent there under its own name, and answered as it answers. */
  async function passOn(
    call: MessageCall,
    request: Request,
    reach: Reach,
    follow: (route: string, asked: () => Promise<Exchange>) => Promise<Exchange> = async (_, asked) =>
      asked(),
  ): Promise<Exchange> {
    const target = await routed(call, request, reach, directoryOf(call));
    if (!('route' in target))
      return refusal(request.id, target.code, target.message, { status: target.status });
    const asked = async (): Promise<Exchange> => reach.send(target.route, target.request, call.signal);
    const { sessionId: _, ...exchange } = await follow(target.route, asked);
    return exchange;
  }

  async function stateless(call: MessageCall): Promise<Exchange> {
    const { message } = call;
    if (isResponse(message)) {
      return refusal(undefined, INVALID_REQUEST, 'A client sends no responses in this revision.', {
        status: 400,
      });
    }
    if (!isRequest(message)) return silence();
    const reach = await statelessReach(call);
    if (message.method === 'server/discover') return discover(call, message, reach);
    if (message.method === 'subscriptions/listen') {
      return exchangeOf(listened(call, message, reach, { ...options, directory: directoryOf(call) }));
    }
    if (isList(message.method)) return list(call, message, reach, message.method);
    return passOn(call, message, reach);
  }

  async function inSession(call: MessageCall, session: ClientSession): Promise<Exchange> {
    const { message } = call;
    const own = membersOf(session, call);
    const reach = await sessionReach(call, own);
    if (isResponse(message)) {
      const target = own.answer(message);
      if (target !== undefined) await leave(await own.send(target.route, call, target.response));
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
        return refusal(message.id, METHOD_NOT_FOUND, 'Method not found');
      default:
        if (isList(message.method)) return list(call, message, reach, message.method);
        return passOn(call, message, reach, following(message, own));
    }
  }

  /** Known while it is under way, so that it can be cancelled; requests that its server makes get ids of ours. */
  const following =
    (request: Request, own: MemberSessions) =>
    async (route: string, asked: () => Promise<Exchange>): Promise<Exchange> => {
      own.underWay.set(request.id, route);
      const over = (): void => void own.underWay.delete(request.id);
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
    await Promise.allSettled(routes.map(async (route) => leave(await own.send(route, call, message))));
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
    await Promise.allSettled(own.opened.map(async (route) => leave(await own.send(route, call, request))));
    return answer(resultResponse(request.id, {}));
  }

  async function sessionOf(call: Call): Promise<ClientSession | Exchange> {
    if (call.sessionId === undefined) {
      return refusal(undefined, INVALID_REQUEST, 'Mcp-Session-Id is required.', { status: 400 });
    }
    const { caller, sessionId: sealed } = call;
    const id = await ports.handles.open({ kind: 'session', caller, route: FEDERATED_ROUTE, sealed });
    const session = id === undefined ? undefined : sessions.of(caller, id);
    return session ?? refusal(undefined, INVALID_REQUEST, 'Session not found', { status: 404 });
  }

  async function* stream(call: ListenCall, session: ClientSession): AsyncGenerator<ServerEvent> {
    const { lastEventId: _, ...own } = call;
    const at = membersOf(session, own);
    const ended = new AbortController();
    session.stream?.end();
    const mine = { changed: () => undefined, end: () => ended.abort() };
    session.stream = mine;
    const signal = AbortSignal.any([call.signal, ended.signal]);
    const routes = await routesOf(call.caller);
    const sources = routes.map((route) => ({
      route,
      open: (until: AbortSignal) => at.listen(route, { ...own, signal: until }),
    }));
    const failed = (route: string, cause: unknown): void => ports.leftOut({ route, method: 'listen', cause });
    try {
      for await (const { route, message } of together(sources, signal, failed)) {
        if (isNotification(message) && isChange(message.method)) directoryOf(call).changed();
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
      if (eraOf(call.revision) === 'stateless') return stateless(call);
      if (isRequest(call.message) && call.message.method === 'initialize')
        return initialize(call, call.message);
      const session = await sessionOf(call);
      return 'status' in session ? session : inSession(call, session);
    },
    async listen(call) {
      if (eraOf(call.revision) === 'stateless') return silence(405);
      const session = await sessionOf(call);
      if ('status' in session) return session;
      return { status: 200, kind: 'events', messages: stream(call, session) };
    },
    async end(call) {
      if (eraOf(call.revision) === 'stateless') return silence(405);
      const session = await sessionOf(call);
      if ('status' in session) return session;
      membersOf(session, call);
      sessions.end(call.caller, session.id);
      return silence(200);
    },
    async [Symbol.asyncDispose]() {
      sessions[Symbol.dispose]();
    },
  };
}
