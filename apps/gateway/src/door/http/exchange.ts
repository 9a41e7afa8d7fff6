/** One request at the door: who sends it, what it is, what the server answers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { eraOf, isRequest, type Message, type Revision } from '@sallyport/model-context';
import { UpstreamFailure, type Caller, type Exchange, type ModelContextServer } from '../ports.ts';
import type { Authenticate } from '../tokens/authenticate.ts';
import { resourceOf, SCOPES, type Resource } from '../tokens/resource.ts';
import { answerChallenge, answerError, answerProblem } from './answers.ts';
import { readBody } from './body.ts';
import type { HostRules } from './hosts.ts';
import { REVOKED, type LiveExchanges } from './live.ts';
import { kindOf, type DoorMetrics, type RequestKind } from './measure.ts';
import { accepts, isJson, receive, revisionOfHead, type Received, type RefusedMessage } from './message.ts';
import type { Place } from './places.ts';
import type { DoorServers } from './servers.ts';
import { answerFailure, writeExchange } from './stream.ts';
import type { RequestTraces } from './traces.ts';

export type ExchangePorts = {
  readonly publicOrigin: string;
  readonly allowsBearer: boolean;
  readonly hosts: Pick<HostRules, 'urlsOf'>;
  readonly live: Pick<LiveExchanges, 'add'>;
  readonly metrics: DoorMetrics;
  readonly servers: DoorServers;
  readonly authenticate: Authenticate;
  readonly countRefused: (peerAddress: string, cause: string) => void;
  readonly traces: RequestTraces;
  readonly nowOfTraces: () => number;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly maxBodyBytes: number;
  readonly bodyDeadlineMs: number;
  readonly keepAliveMs: number;
  readonly onDefect: (error: unknown) => void;
};

export type Incoming = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Undefined: the federated door. */
  readonly route: string | undefined;
  readonly peerAddress: string;
  readonly place: Place;
};

/** What is known of a request so far, for its count and its span. */
type Progress = { revision: Revision | undefined; kind: RequestKind };

const METHODS = ['POST', 'GET', 'DELETE'] as const;
type Method = (typeof METHODS)[number];
const isMethod = (method: string | undefined): method is Method => METHODS.some((known) => known === method);

const EVENTS = 'text/event-stream';
const JSON_TYPE = 'application/json';
/** Visible ASCII (2025-11-25 "Session Management"); ours are far shorter. */
const HANDLE = /^[\x21-\x7e]{1,4096}$/u;
/** What was begun with a token that was good may still be answered; it is not a stream that waits. */
const GRACE_MS = 60_000;

/**
 * Resolves when the request is answered or its client gone, never rejects: a defect is told to `onDefect` and answered
 * with 500.
 */
export function createExchanges(ports: ExchangePorts): (incoming: Incoming) => Promise<void> {
  const { metrics, servers } = ports;

  return async (incoming) => {
    const { response } = incoming;
    const startedAtMs = ports.monotonic();
    const progress: Progress = { revision: undefined, kind: 'refused' };
    try {
      await serve(incoming, progress);
    } catch (error) {
      ports.onDefect(error);
      if (response.headersSent) response.destroy();
      else answerProblem(response, 500, 'The gateway failed. Nothing more is known of this request.');
    } finally {
      metrics.answered(
        progress.revision,
        progress.kind,
        response.statusCode,
        ports.monotonic() - startedAtMs,
      );
    }
  };

  async function serve(incoming: Incoming, progress: Progress): Promise<void> {
    const { request, response, route, place } = incoming;
    const { method } = request;
    if (!isMethod(method))
      return answerProblem(response, 405, 'The door takes POST, GET and DELETE.', {
        allow: `${METHODS.join(', ')}, OPTIONS`,
      });
    const resource = resourceOf(ports.publicOrigin, route);
    const caller = await callerOf(incoming, method, resource);
    if (caller === undefined) return;
    if (!place.belongTo(`${caller.principal.tenant} ${caller.principal.id}`)) {
      metrics.shed();
      return answerProblem(response, 503, 'You have as many requests under way as you may. Try again.');
    }
    const server = route === undefined ? servers.federated : servers.routes.get(route);
    if (server === undefined)
      return answerProblem(response, 404, 'There is no such server behind this gateway.');
    if (method === 'POST') return post(incoming, progress, { caller, resource, server });
    return withoutBody(incoming, progress, { caller, resource, server, method });
  }

  /** Undefined: the request is answered. */
  async function callerOf(
    { request, response, peerAddress }: Incoming,
    method: Method,
    resource: Resource,
  ): Promise<Caller | undefined> {
    const { authorization = [], dpop = [] } = request.headersDistinct;
    const authenticated = await ports.authenticate({
      authorization,
      proofs: dpop,
      isTokenInQuery: /[?&]access_token=/u.test(request.url ?? ''),
      method,
      urls: ports.hosts.urlsOf(resource.path),
      resource,
      peerAddress,
    });
    if (authenticated.kind === 'caller') return authenticated.caller;
    const { cause, status, scheme, error, description, nonce } = authenticated;
    metrics.tokenRefused(cause);
    ports.countRefused(peerAddress, cause);
    if (status === 503) answerProblem(response, status, description);
    else
      answerChallenge(
        response,
        status,
        description,
        { resource, allowsBearer: ports.allowsBearer, scheme, error, description },
        nonce === undefined ? {} : { 'dpop-nonce': nonce },
      );
    return undefined;
  }

  type Known = { readonly caller: Caller; readonly resource: Resource; readonly server: ModelContextServer };

  async function post(incoming: Incoming, progress: Progress, known: Known): Promise<void> {
    const { request, response } = incoming;
    const { headers } = request;
    if (!isJson(headers['content-type']) || (headers['content-encoding'] ?? 'identity') !== 'identity')
      return answerProblem(response, 415, `Messages are ${JSON_TYPE} in UTF-8, not compressed.`);
    if (!accepts(headers.accept, JSON_TYPE) || !accepts(headers.accept, EVENTS))
      return answerProblem(response, 406, `Accept both ${JSON_TYPE} and ${EVENTS}.`);
    const body = await bodyOf(incoming, known);
    if (body === undefined) return;
    if (typeof body === 'string') return answerUnread(response, body);
    const received = receive(headers, body);
    if ('code' in received) return refuseMessage(response, received);
    const { message, revision } = received;
    progress.revision = revision;
    progress.kind = kindOf(message);
    const needed = 'method' in message && message.method === 'tools/call' ? SCOPES.call : SCOPES.read;
    if (!isInScope(response, known, needed, progress)) return;
    const sessionId = sessionOf(request, revision);
    if (sessionId === 'malformed') return answerProblem(response, 400, 'Mcp-Session-Id is not one of ours.');
    await converse(incoming, { ...known, progress, received, sessionId });
  }

  /** What was found of its sender has to hold when the last byte is there. Undefined: it does not, and the request is answered. */
  async function bodyOf(
    { request, response, place, peerAddress }: Incoming,
    { caller, resource }: Known,
  ): Promise<Awaited<ReturnType<typeof readBody>> | undefined> {
    const { sessionId, notAfterMs } = caller;
    using reading = ports.live.add({ sessionId, notAfterMs: notAfterMs + GRACE_MS, isWaiting: false });
    const { signal } = reading;
    const bounds = { maxBytes: ports.maxBodyBytes, deadlineMs: ports.bodyDeadlineMs };
    const body = await readBody(request, { ...bounds, hold: place.hold, signal });
    if (!signal.aborted) return body;
    if (signal.reason !== REVOKED) {
      answerProblem(response, 503, 'This request was not read to its end. Nothing happened; try again.');
      return undefined;
    }
    metrics.tokenRefused('revoked');
    ports.countRefused(peerAddress, 'revoked');
    const description = 'The access token is not good.';
    const challenge = { resource, allowsBearer: ports.allowsBearer, scheme: undefined, description };
    answerChallenge(response, 401, description, { ...challenge, error: 'invalid_token' });
    return undefined;
  }

  async function withoutBody(
    incoming: Incoming,
    progress: Progress,
    known: Known & { readonly method: 'GET' | 'DELETE' },
  ): Promise<void> {
    const { request, response } = incoming;
    const revision = revisionOfHead(request.headers);
    if (typeof revision !== 'string') return refuseMessage(response, revision);
    progress.revision = revision;
    if (eraOf(revision) === 'stateless')
      return answerProblem(response, 405, 'This revision has POST only.', { allow: 'POST, OPTIONS' });
    progress.kind = known.method === 'GET' ? 'listen' : 'end';
    if (known.method === 'GET' && !accepts(request.headers.accept, EVENTS))
      return answerProblem(response, 406, `Accept ${EVENTS}.`);
    if (!isInScope(response, known, SCOPES.read, progress)) return;
    const sessionId = sessionOf(request, revision);
    if (sessionId === 'malformed') return answerProblem(response, 400, 'Mcp-Session-Id is not one of ours.');
    await converse(incoming, { ...known, progress, received: undefined, sessionId });
  }

  function isInScope(
    response: ServerResponse,
    { caller, resource }: Known,
    needed: string,
    progress: Progress,
  ): boolean {
    if (caller.scopes.has(needed)) return true;
    const description = `This needs the scope ${needed}.`;
    const challenge = { resource, allowsBearer: ports.allowsBearer, scopes: [needed], description };
    progress.kind = 'refused';
    // The error belongs to every scheme that is taken: the token was good.
    answerChallenge(response, 403, description, {
      ...challenge,
      scheme: undefined,
      error: 'insufficient_scope',
    });
    return false;
  }

  async function converse(
    { request, response }: Incoming,
    known: Known & {
      readonly progress: Progress;
      readonly received: Received | undefined;
      readonly sessionId: string | undefined;
    },
  ): Promise<void> {
    const { caller, server, received, sessionId, progress, resource } = known;
    // Left while its token was looked at: 'close' would never come again.
    if (response.destroyed) return;
    const message = received?.message;
    const requestId = message !== undefined && isRequest(message) ? message.id : undefined;
    const isWaiting = progress.kind === 'listen';
    using live = ports.live.add({
      sessionId: caller.sessionId,
      notAfterMs: caller.notAfterMs + (isWaiting ? 0 : GRACE_MS),
      isWaiting,
    });
    response.once('close', live.end);
    const trace = ports.traces(
      { header: onlyText(request.headers['traceparent']), message },
      {
        'sallyport.route': resource.path,
        'sallyport.kind': progress.kind,
        'sallyport.session_id': caller.sessionId,
      },
      ports.nowOfTraces(),
    );
    const call = {
      caller,
      revision: progress.revision ?? '2025-03-26',
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(trace.traceparent === undefined ? {} : { traceparent: trace.traceparent }),
      signal: live.signal,
    };
    try {
      const exchange = await ask(server, call, request, received, message);
      await writeExchange(response, exchange, {
        signal: live.signal,
        requestId,
        keepAliveMs: ports.keepAliveMs,
        onStream: metrics.stream,
      });
      trace.end({ 'http.response.status_code': response.statusCode });
    } catch (error) {
      trace.end({}, error instanceof UpstreamFailure ? error.problem : 'internal');
      if (!(error instanceof UpstreamFailure)) throw error;
      answerFailure(response, error, requestId);
    }
  }

  function ask(
    server: ModelContextServer,
    call: Parameters<ModelContextServer['end']>[0],
    request: IncomingMessage,
    received: Received | undefined,
    message: Message | undefined,
  ): Promise<Exchange> {
    if (received !== undefined && message !== undefined) {
      const { parameterHeaders, requestDigest } = received;
      // 2025-11-25 "Sending Messages", 6: a client of that revision takes a stream up again itself.
      const clientResumes = call.revision === '2025-11-25';
      return server.send({ ...call, message, parameterHeaders, requestDigest, clientResumes });
    }
    if (request.method === 'DELETE') return server.end(call);
    const lastEventId = request.headers['last-event-id'];
    return server.listen(typeof lastEventId === 'string' ? { ...call, lastEventId } : call);
  }

  function answerUnread(response: ServerResponse, why: 'too_large' | 'slow' | 'busy' | 'gone'): void {
    if (why === 'too_large')
      return answerProblem(response, 413, `A message has at most ${ports.maxBodyBytes} bytes.`);
    if (why === 'slow') return answerProblem(response, 408, 'The message did not come in time.');
    if (why === 'gone') return void response.destroy();
    metrics.shed();
    answerProblem(response, 503, 'There is no room for this message now. Try again.');
  }
}

function refuseMessage(response: ServerResponse, { status, id, code, message, data }: RefusedMessage): void {
  answerError(response, status, { id, code, message, data });
}

/** Sessions are no part of 2026-07-28, which ignores the header. */
function sessionOf(request: IncomingMessage, revision: Revision): string | undefined {
  const said = request.headers['mcp-session-id'];
  if (said === undefined || eraOf(revision) === 'stateless') return undefined;
  return typeof said === 'string' && HANDLE.test(said) ? said : 'malformed';
}

const onlyText = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;
