/** The federated door for clients of 2026-07-28: nothing is kept between requests but what was listed. */
import {
  INVALID_REQUEST,
  isRequest,
  isResponse,
  META,
  objectMember,
  resultResponse,
  REVISIONS,
  withMeta,
  type JsonObject,
  type Request,
} from '@sallyport/model-context';
import { UpstreamFailure, type Exchange, type MessageCall } from '../ports.ts';
import { answer, exchangeOf, refusal, silence } from '../translate/exchanges.ts';
import { isList } from './directory.ts';
import { listened } from './listened.ts';
import { answeredBy, merged, type Members } from './members.ts';
import { completeResult } from './merge.ts';
import { askAll, resultOf, type Reach } from './reach.ts';

/** Takes `send` alone: the revision has no GET and no DELETE. Rejects with `UpstreamFailure` when no server answers. */
export function statelessDoor(members: Members): (call: MessageCall) => Promise<Exchange> {
  const { servers, ports } = members;

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
      routes: await members.routesOf(call.caller),
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
  async function discover(call: MessageCall, request: Request, reach: Reach): Promise<Exchange> {
    const ask: Request = { jsonrpc: '2.0', id: 'discover', method: 'server/discover' };
    const answers = await askAll(
      reach,
      call,
      request.method,
      (route, signal) => resultOf(reach, route, ask, signal),
      members,
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

  async function send(call: MessageCall): Promise<Exchange> {
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
      return exchangeOf(listened(call, message, reach, { ...members, directory: members.directoryOf(call) }));
    }
    if (isList(message.method)) return members.list(call, message, reach, message.method);
    return members.passOn(call, message, reach);
  }

  return send;
}
