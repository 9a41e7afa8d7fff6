/**
 * The Model Context Protocol over the secure channel: a destination for each route, in front of the very same servers that the
 * HTTPS door has, so decisions, pins and records are the same (docs/protocol.md section 13).
 */
import {
  encodeModelContext,
  MODEL_CONTEXT_TYPE,
  parseModelContextCall,
  type ModelContextAnswer,
  type ModelContextCall,
} from '@sallyport/channel';
import {
  errorResponse,
  isRequest,
  parseMessage,
  REVISIONS,
  type Message,
  type Revision,
} from '@sallyport/model-context';
import type { Route, RouteRequest, RouteResult } from '../../app/ports.ts';
import { UpstreamFailure, type Call, type Caller, type Exchange, type ModelContextServer } from '../ports.ts';
import { createStreams, type Piece, type StreamsPorts } from './streams.ts';

export type ChannelFace = Disposable & {
  /** For the destination `mcp/<route>`. */
  route(server: ModelContextServer): Route;
  /** Ends what is under way for a session that was revoked. */
  endSession(sessionId: string): void;
};

/** Of people that talk over the channel every right is the policy's to give: there is no client that holds less. */
const ALL_SCOPES: ReadonlySet<string> = new Set(['context:read', 'context:call']);
const PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion';
const FIRST_REVISION: Revision = '2025-11-25';
/** JSON-RPC's range of an implementation: it may be tried again. */
const UNAVAILABLE = -32_001;
/** As HTTP has them. 100: the server has not begun to answer. */
const NOTHING_YET = 100;
const NOT_FOUND = 404;
const TOO_MANY = 429;

/**
 * Routes answer what they cannot read with status 400 and what a server fails with in a message; they reject only for
 * a defect.
 */
export function createChannelFace(ports: StreamsPorts): ChannelFace {
  const streams = createStreams(ports);

  async function answer(server: ModelContextServer, request: RouteRequest): Promise<RouteResult> {
    const call = parseModelContextCall(request.body);
    if (call === undefined || request.contentType !== MODEL_CONTEXT_TYPE)
      return told({ status: 400 }, { lines: [] });
    const { sessionId } = request.evidence;
    const { head } = call;
    if (head.do === 'continue') return piece(await streams.next(sessionId, head.stream));
    if (head.do === 'cancel')
      return told({ status: streams.cancel(sessionId, head.stream) ? 202 : 404 }, { lines: [] });
    if ((head.do === 'send') !== (call.lines.length === 1)) return told({ status: 400 }, { lines: [] });
    return converse(server, request, head, call.lines[0]);
  }

  async function converse(
    server: ModelContextServer,
    request: RouteRequest,
    head: Exclude<ModelContextCall, { do: 'continue' | 'cancel' }>,
    line: Uint8Array | undefined,
  ): Promise<RouteResult> {
    const parsed = line === undefined ? undefined : parseMessage(line);
    if (parsed?.ok === false)
      return told(
        { status: 400 },
        { lines: [text(errorResponse(parsed.id ?? null, parsed.code, parsed.detail))] },
      );
    const message = parsed?.message;
    const revision = revisionOf(head, message);
    if (revision === undefined) return told({ status: 400 }, { lines: [] });
    const abort = new AbortController();
    const giveUp = (): void => abort.abort();
    request.signal.addEventListener('abort', giveUp, { once: true });
    const call = {
      caller: callerOf(request),
      revision,
      ...(head.session === undefined ? {} : { sessionId: head.session }),
      ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }),
      signal: abort.signal,
    };
    try {
      const begun = await streams.begin(
        request.evidence.sessionId,
        () => exchangeOf(server, head.do, call, message),
        giveUp,
      );
      return begun === undefined ? told({ status: TOO_MANY }, { lines: [] }) : piece(begun);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      return failed(error, message);
    }
  }

  return {
    route: (server) => ({
      isIdempotent: false,
      async send(request) {
        try {
          return await answer(server, request);
        } catch (error) {
          if (error instanceof UpstreamFailure) return failed(error, undefined);
          throw error;
        }
      },
    }),
    endSession: (sessionId) => streams.endSession(sessionId),
    [Symbol.dispose]: () => streams[Symbol.dispose](),
  };
}

function callerOf({ sender, evidence }: RouteRequest): Caller {
  return {
    principal: sender.principal,
    sessionId: evidence.sessionId,
    clientId: '',
    scopes: ALL_SCOPES,
    notAfterMs: sender.notAfterMs,
    peerAddress: sender.peerAddress,
  };
}

/** The message's own word (2026-07-28) or the head's; `initialize` needs neither. Undefined = one that is not spoken here. */
function revisionOf(head: ModelContextCall, message: Message | undefined): Revision | undefined {
  const meta = message !== undefined && 'params' in message ? message.params?.['_meta'] : undefined;
  const own = (meta as Readonly<Record<string, unknown>> | undefined)?.[PROTOCOL_VERSION];
  const said = own ?? ('revision' in head ? head.revision : undefined) ?? FIRST_REVISION;
  return REVISIONS.find((revision) => revision === said);
}

function exchangeOf(
  server: ModelContextServer,
  what: 'send' | 'listen' | 'end',
  call: Call,
  message: Message | undefined,
): Promise<Exchange> {
  if (message !== undefined) return server.send({ ...call, message });
  return what === 'listen' ? server.listen(call) : server.end(call);
}

function piece(got: Piece | undefined): RouteResult {
  if (got === undefined) return told({ status: NOT_FOUND }, { lines: [] });
  const { status = NOTHING_YET, sessionId } = got.exchange ?? {};
  return told({ status, ...(sessionId === undefined ? {} : { session: sessionId }) }, got);
}

function told(head: ModelContextAnswer, { lines, stream }: Piece): RouteResult {
  return {
    kind: 'response',
    contentType: MODEL_CONTEXT_TYPE,
    body: encodeModelContext(stream === undefined ? head : { ...head, stream }, lines),
    status: String(head.status),
  };
}

/** What may have taken effect is an unknown outcome at this door too: it must not look like an answer. */
function failed(error: UpstreamFailure, message: Message | undefined): RouteResult {
  if (message !== undefined && isRequest(message) && error.isWithoutEffect)
    return told({ status: 503 }, { lines: [text(errorResponse(message.id, UNAVAILABLE, error.message))] });
  return {
    kind: 'failure',
    reason:
      error.problem === 'timeout'
        ? 'upstream_timeout'
        : error.problem === 'too_large'
          ? 'too_large'
          : 'upstream_failed',
    status: error.problem,
    detail: error.message,
    isWithoutEffect: error.isWithoutEffect,
  };
}

const text = (message: Message): string => JSON.stringify(message);
