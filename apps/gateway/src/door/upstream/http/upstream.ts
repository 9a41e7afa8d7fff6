/**
 * A server behind Streamable HTTP, in the revisions of both eras: 2026-07-28, and 2025-11-25 and before with its sessions.
 *
 * What the server says is passed on as it comes; what it does is bounded: time, bytes, and what may follow what.
 */
import { eraOf, HEADER_MISMATCH, isRequest, type JsonValue, type Message } from '@sallyport/model-context';
import { secretHeader } from '../../../routes/secret-header.ts';
import {
  UpstreamFailure,
  type Call,
  type Exchange,
  type ListenCall,
  type MessageCall,
  type ServerEvent,
  type Upstream,
} from '../../ports.ts';
import { DEFAULTS, type HttpUpstreamConfig } from '../config.ts';
import { RememberedEras } from '../eras.ts';
import { ByteBudget, nothing, STREAM_WINDOW_MS } from '../exchanges.ts';
import { ownerOf, type Owner } from '../owners.ts';
import type { UpstreamPorts } from '../ports.ts';
import { exchangeOf } from './answers.ts';
import { httpAttempts, type Attempt } from './attempts.ts';
import type { ResponseBody } from './body.ts';
import { discard } from './body.ts';
import { callHeaders, isInitialize, messageHeaders } from './headers.ts';
import { openLink, type LinkRequest } from './link.ts';
import { askEras } from './probe.ts';
import { SessionOwners } from './sessions.ts';
import { EVENT_ID, serverEvents } from './stream.ts';
import { listTools, ToolSchemas } from './tool-schemas.ts';

const ERAS_MS = 600_000;

/** Throws `TypeError` for a URL, an egress entry or files that cannot be used. */
export function httpUpstream(config: HttpUpstreamConfig, ports: UpstreamPorts): Upstream {
  const { route, log, monotonic, meter } = ports;
  const {
    maxMessageBytes = DEFAULTS.maxMessageBytes,
    maxExchangeBytes = DEFAULTS.maxExchangeBytes,
    idleTimeoutMs = DEFAULTS.idleTimeoutMs,
  } = config;
  const link = openLink(config);
  const credential =
    config.credential === undefined
      ? undefined
      : secretHeader(config.credential, (problem) => log.warn('a server has a problem', { route, problem }));
  const attempts = httpAttempts(config, ports, link);
  const sessions = new SessionOwners();
  const schemas = new ToolSchemas();
  const probe = (request: Omit<LinkRequest, 'headers'>, headers: Readonly<Record<string, string>>) =>
    link.exchange({ ...request, headers: { ...headers, ...credential?.headers() } });
  const eras = new RememberedEras(
    (signal) => askEras(probe, { maxMessageBytes, maxExchangeBytes, monotonic }, signal),
    ERAS_MS,
    monotonic,
  );

  function headersOf(call: Call): Record<string, string> {
    return { ...callHeaders(call, route), ...credential?.headers() };
  }

  function streamOf(call: Call, asked: Asked, attempt: Attempt, onMessage: (message: Message) => void) {
    const { message, lastEventId, clientResumes = false } = asked;
    const isSession = eraOf(call.revision) === 'session';
    // It answers when the server says so, or never: what a client subscribes to (2026-07-28) is such a stream as well.
    const isWaiting =
      message === undefined || ('method' in message && message.method === 'subscriptions/listen');
    return (body: ResponseBody): AsyncIterable<ServerEvent> =>
      serverEvents(body, {
        maxMessageBytes,
        budget: new ByteBudget(maxExchangeBytes, isWaiting ? STREAM_WINDOW_MS : undefined, monotonic),
        ...(isWaiting ? {} : { idleMs: idleTimeoutMs }),
        giveUpMs: idleTimeoutMs,
        request: message !== undefined && isRequest(message) ? message.id : undefined,
        takesRequests: isSession,
        takesResponses: lastEventId !== undefined,
        endsInOrder: message === undefined || clientResumes,
        ...(isSession ? { resume: (lastEventId: string) => resume(call, lastEventId, attempt) } : {}),
        failureOf: (error) => link.failureOf(error, attempt.signal),
        onMessage,
        onResumed: () => meter.resumed(),
        monotonic,
        signal: attempt.signal,
      });
  }

  async function resume(call: Call, lastEventId: string, { signal }: Attempt): Promise<ResponseBody> {
    const answer = await link.exchange({ method: 'GET', headers: listenHeaders(call, lastEventId), signal });
    if (answer.status === 200 && answer.contentType === 'text/event-stream') return answer.body;
    discard(answer.body);
    throw new UpstreamFailure('broke_off', 'the server does not take up its stream');
  }

  function listenHeaders(call: Call, lastEventId: string | undefined): Record<string, string> {
    return {
      ...headersOf(call),
      Accept: 'text/event-stream',
      'MCP-Protocol-Version': call.revision,
      ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
    };
  }

  async function attempted(
    call: Call,
    asked: Asked,
    kind: 'exchange' | 'short',
    request: Omit<LinkRequest, 'signal'>,
    onMessage: (message: Message) => void = () => undefined,
  ): Promise<Exchange> {
    const { message } = asked;
    const { revision, sessionId } = call;
    const attempt = attempts.begin(ownerOf(call.caller), kind, call.signal);
    try {
      const answer = await link.exchange({ ...request, signal: attempt.signal });
      if (answer.status === 404 && sessionId !== undefined) sessions.ended(sessionId);
      const stream = streamOf(call, asked, attempt, onMessage);
      const bodyMs = idleTimeoutMs;
      const exchange = await exchangeOf(answer, {
        ...{ message, revision, maxMessageBytes, bodyMs, attempt, stream, onMessage },
      });
      return settled(exchange, message, ownerOf(call.caller));
    } catch (error) {
      throw attempt.fail(error);
    }
  }

  /** A session id counts in the answer to `initialize` only. */
  function settled(exchange: Exchange, message: Message | undefined, owner: Owner): Exchange {
    const { sessionId, ...rest } = exchange;
    if (sessionId === undefined || message === undefined || !isInitialize(message)) return rest;
    sessions.opened(sessionId, owner);
    return exchange;
  }

  async function post(call: MessageCall, schema: JsonValue | undefined): Promise<Posted> {
    const { message, caller } = call;
    let last: Message | undefined;
    const exchange = await attempted(
      call,
      call.clientResumes === undefined ? { message } : { message, clientResumes: call.clientResumes },
      isRequest(message) ? 'exchange' : 'short',
      {
        method: 'POST',
        headers: { ...headersOf(call), ...messageHeaders(call, schema) },
        body: JSON.stringify(message),
      },
      (found) => {
        last = found;
        if (isRequest(message) && message.method === 'tools/list') schemas.learn(ownerOf(caller), found);
      },
    );
    return { exchange, last: () => last };
  }

  return {
    route,
    async send(call) {
      const { message, caller, sessionId } = call;
      const owner = ownerOf(caller);
      if (!sessions.mayUse(sessionId, owner)) return nothing(404);
      const schema = schemas.of(owner, message);
      const posted = await post(call, schema);
      if (!isMismatch(posted) || eraOf(call.revision) === 'session') return posted.exchange;
      // 2026-07-28: a client that did not know, or knew an older list, looks again and repeats; it was not carried out.
      if (!isRequest(message) || message.method !== 'tools/call') return posted.exchange;
      await listTools(call, async (list) => {
        const found = await post(list, undefined);
        // What it is learnt from passes by.
        for await (const _ of found.exchange.messages);
        return found.last();
      });
      const renewed = schemas.of(owner, message);
      return renewed === schema ? posted.exchange : (await post(call, renewed)).exchange;
    },
    async listen(call) {
      if (eraOf(call.revision) === 'stateless') return nothing(405);
      if (!sessions.mayUse(call.sessionId, ownerOf(call.caller))) return nothing(404);
      const { lastEventId } = call;
      if (lastEventId !== undefined && !EVENT_ID.test(lastEventId)) return nothing(400);
      const asked = lastEventId === undefined ? {} : { lastEventId };
      const headers = listenHeaders(call, lastEventId);
      return attempted(call, asked, 'exchange', { method: 'GET', headers });
    },
    async end(call) {
      if (eraOf(call.revision) === 'stateless') return nothing(405);
      const { sessionId, revision, caller } = call;
      if (sessionId === undefined || !sessions.mayUse(sessionId, ownerOf(caller))) return nothing(404);
      const attempt = attempts.begin(ownerOf(caller), 'short', call.signal);
      try {
        const headers = { ...headersOf(call), 'MCP-Protocol-Version': revision };
        const { status, body } = await link.exchange({ method: 'DELETE', headers, signal: attempt.signal });
        discard(body);
        attempt.answered(status);
        if (status < 300 || status === 404) sessions.ended(sessionId);
        return nothing(status < 300 ? 200 : status);
      } catch (error) {
        throw attempt.fail(error);
      }
    },
    eras: (signal) => eras.get(signal),
    trouble() {
      const state = attempts.state();
      return state === 'closed' ? undefined : `the circuit to the server is ${state.replace('_', '-')}`;
    },
    async [Symbol.asyncDispose]() {
      eras.stop();
      attempts[Symbol.dispose]();
      await link[Symbol.asyncDispose]();
      credential?.[Symbol.dispose]();
    },
  };
}

/** A message, or a wait for what the server says by itself, from an event on. */
type Asked = Partial<Pick<MessageCall, 'message' | 'clientResumes'> & Pick<ListenCall, 'lastEventId'>>;

/** `last`: what came last, of what was read so far. */
type Posted = { readonly exchange: Exchange; readonly last: () => Message | undefined };

function isMismatch({ exchange, last }: Posted): boolean {
  if (exchange.status !== 400) return false;
  const refusal = last();
  return refusal !== undefined && 'error' in refusal && refusal.error.code === HEADER_MISMATCH;
}
