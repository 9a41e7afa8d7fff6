/** The sessions at each server behind one session of the federated door: opened when first needed, again when forgotten. */
import {
  type JsonObject,
  type JsonValue,
  type Message,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import { UpstreamFailure, type Call, type Exchange, type ModelContextServer } from '../ports.ts';
import type { ClientSession } from '../translate/client-sessions.ts';
import { leave, responseOf } from '../translate/exchanges.ts';
import { Refusal } from './reach.ts';

export type MemberSessions = {
  /** The result of `initialize` there. Rejects with `UpstreamFailure` or `Refusal`. */
  open(route: string, call: Call): Promise<JsonObject>;
  send(route: string, call: Call, message: Message): Promise<Exchange>;
  /** 404 opens a new session at most once. */
  listen(route: string, call: Call): Promise<Exchange>;
  /** Routes whose session is open. */
  readonly opened: readonly string[];
  /** Which server a request of the client is at. */
  readonly underWay: Map<RequestId, string>;
  /** A request of a server, as the client sees it: under an id of ours. False: too many wait. */
  ask(route: string, request: Request): Request | undefined;
  /** Where the answer to one of ours goes, once. */
  answer(response: Response): { readonly route: string; readonly response: Response } | undefined;
  /** Our id for a server's own, when it takes a request back. */
  withdrawn(route: string, id: JsonValue | undefined): RequestId | undefined;
  end(call: Call): Promise<void>;
};

type Member = { readonly initialized: JsonObject; readonly sessionId: string | undefined };

/** `initialize` outlives the request that needs it first; others wait for the same. */
const OPEN_MS = 30_000;

/**
 * Opens nothing yet. `servers` by route; `session` is the client's own, whose revision, capabilities and log level
 * each server is told.
 */
export function memberSessions(
  servers: ReadonlyMap<string, ModelContextServer>,
  session: ClientSession,
  options: { readonly randomBytes: (length: number) => Uint8Array; readonly maxAsked: number },
): MemberSessions {
  const members = new Map<string, Promise<Member>>();
  const open = new Set<string>();
  let isEnded = false;
  const asked = new Map<RequestId, { readonly route: string; readonly id: RequestId }>();

  const serverOf = (route: string): ModelContextServer => {
    const server = servers.get(route);
    if (server === undefined) throw new UpstreamFailure('unreachable', 'There is no such server.');
    return server;
  };
  const base = (call: Call): Call => ({
    caller: call.caller,
    revision: session.revision,
    signal: call.signal,
    ...(call.traceparent === undefined ? {} : { traceparent: call.traceparent }),
  });
  const as = (call: Call, member: Member): Call => ({
    ...base(call),
    ...(member.sessionId === undefined ? {} : { sessionId: member.sessionId }),
  });

  async function initialize(route: string, call: Call): Promise<Member> {
    const server = serverOf(route);
    const opening = { ...base(call), signal: AbortSignal.timeout(OPEN_MS) };
    const exchange = await server.send({
      ...opening,
      message: {
        jsonrpc: '2.0',
        id: 'initialize',
        method: 'initialize',
        params: {
          protocolVersion: session.revision,
          capabilities: session.capabilities,
          clientInfo: session.clientInfo,
        },
      },
    });
    const response = await responseOf(exchange);
    if ('error' in response) throw new Refusal(response);
    const member: Member = { initialized: response.result, sessionId: exchange.sessionId };
    const notified: Message = { jsonrpc: '2.0', method: 'notifications/initialized' };
    await leave(await server.send({ ...as(opening, member), message: notified }));
    if (session.logLevel !== undefined) {
      const level: Request = {
        jsonrpc: '2.0',
        id: 'level',
        method: 'logging/setLevel',
        params: { level: session.logLevel },
      };
      await leave(await server.send({ ...as(opening, member), message: level }));
    }
    open.add(route);
    return member;
  }
  function memberOf(route: string, call: Call): Promise<Member> {
    const known = members.get(route);
    if (known !== undefined) return known;
    if (isEnded) return Promise.reject(new UpstreamFailure('cancelled', 'The session has ended.'));
    const opening = initialize(route, call);
    members.set(route, opening);
    opening.catch(() => {
      if (members.get(route) === opening) members.delete(route);
    });
    return opening;
  }
  /** 404: the server forgot the session and did nothing (2025-11-25 "Transports", "Session Management"). */
  async function inSession(
    route: string,
    call: Call,
    use: (call: Call, server: ModelContextServer) => Promise<Exchange>,
  ): Promise<Exchange> {
    for (let attempt = 0; ; attempt += 1) {
      const opening = memberOf(route, call);
      const member = await opening;
      const exchange = await use(as(call, member), serverOf(route));
      if (exchange.status !== 404 || member.sessionId === undefined) return exchange;
      await leave(exchange);
      if (members.get(route) === opening) members.delete(route);
      open.delete(route);
      if (attempt > 0) throw new UpstreamFailure('unreachable', 'The server forgets its sessions at once.');
    }
  }

  return {
    underWay: new Map(),
    get opened() {
      return [...open];
    },
    open: async (route, call) => (await memberOf(route, call)).initialized,
    send: (route, call, message) =>
      inSession(route, call, async (own, server) => server.send({ ...own, message })),
    listen: (route, call) => inSession(route, call, async (own, server) => server.listen(own)),
    ask(route, request) {
      if (asked.size >= options.maxAsked) return undefined;
      const id = `sallyport-${Buffer.from(options.randomBytes(12)).toString('base64url')}`;
      asked.set(id, { route, id: request.id });
      return { ...request, id };
    },
    answer(response) {
      if (response.id === undefined || response.id === null) return undefined;
      const found = asked.get(response.id);
      if (found === undefined) return undefined;
      asked.delete(response.id);
      return { route: found.route, response: { ...response, id: found.id } };
    },
    withdrawn(route, id) {
      for (const [ours, one] of asked) {
        if (one.route !== route || one.id !== id) continue;
        asked.delete(ours);
        return ours;
      }
      return undefined;
    },
    async end(call) {
      isEnded = true;
      const all = [...members];
      members.clear();
      open.clear();
      await Promise.allSettled(
        all.map(async ([route, opening]) => leave(await serverOf(route).end(as(call, await opening)))),
      );
    },
  };
}
