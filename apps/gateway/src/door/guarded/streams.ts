/**
 * What a server says, on its way to the client: one response to what was asked and to nothing else, requests of its own only
 * where policy lets it ask, everything else as it is. The outcome is in the record before the response leaves.
 */
import {
  eraOf,
  errorResponse,
  isObject,
  isRequest,
  isResponse,
  member,
  stringMember,
  type Message,
  type Notification,
  type Request,
  type RequestId,
  type Response,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Exchange,
  type ModelContextServer,
  type ServerEvent,
} from '../ports.ts';
import { askedAgain, askedOf, type Asked } from './asked.ts';
import type { Definitions } from './definitions.ts';
import type { Judge, Judged } from './judge.ts';
import { digestOfMessage, type Passage, type Passages } from './passages.ts';
import type { CallOutcome, GuardedPorts } from './ports.ts';
import {
  notRecorded,
  outcomeNotRecorded,
  malformed,
  refusalOf,
  upstreamFailed,
  type Refusal,
} from './refusals.ts';
import type { AskJudged, Results } from './results.ts';
import type { Seals } from './seals.ts';

/** What a stream belongs to. */
export type Stream = {
  /** The client's. */
  readonly call: Call;
  /** The upstream's. */
  readonly sessionId: string | undefined;
  /** Whose response ends it, as the client asked it; absent where none may come. */
  readonly request?: Pick<Request, 'id' | 'method' | 'params'>;
  /** It resumes another, and what has not come can be asked for again. */
  readonly isResumed?: boolean;
  readonly asked: Asked;
  readonly passage: Passage;
};
type Heard = Stream & { readonly asking: { sinceMs: number; count: number } };

const SUBSCRIPTION = 'subscriptions/listen';
/** Requests of a server on one stream in a minute. Each is two records and a question to a person: beyond it is a flood. */
const MAX_ASKS = 128;
const ASKS_WINDOW_MS = 60_000;

export type StreamPorts = {
  readonly upstream: Pick<ModelContextServer, 'send'>;
  readonly judge: Judge;
  readonly seals: Seals;
  readonly results: Results;
  readonly definitions: Definitions;
  readonly passages: Passages;
} & Pick<GuardedPorts, 'route' | 'metrics' | 'monotonic' | 'onProblem'>;

type Answer = {
  readonly response: Response;
  readonly outcome: CallOutcome['outcome'];
  readonly status: string;
};

/** What leaves of an exchange for a stream. Ends with its response; iterated once. */
export type Streams = (stream: Stream, exchange: Exchange) => AsyncIterable<ServerEvent>;

/** For one route. What the server sends against the protocol is counted and dropped. */
export function createStreams(ports: StreamPorts): Streams {
  const { upstream, judge, seals, results, definitions, passages, route, metrics, monotonic, onProblem } =
    ports;

  async function* pass(given: Stream, exchange: Exchange): AsyncIterable<ServerEvent> {
    const stream: Heard = { ...given, asking: { sinceMs: monotonic(), count: 0 } };
    const { passage, request } = stream;
    const isSession = eraOf(stream.call.revision) === 'session';
    /** For what the server says by itself, as long as it likes. */
    const isWaiting = request === undefined || stream.isResumed === true || request.method === SUBSCRIPTION;
    let isAnswered = false;
    let isResumable = stream.isResumed === true;
    try {
      for await (const event of exchange.messages) {
        const { message } = event;
        // Policy may have changed since it let this begin: what it takes away, or cannot be asked about any more, ends here.
        const denial = isWaiting ? judge.decide(stream.call.caller, stream.asked).refusal : undefined;
        if (denial !== undefined) {
          metrics.refused(denial.reason);
          const isRecorded = await passage.concluded('failure', denial.reason);
          if (request === undefined || isAnswered) return;
          const refusal = isRecorded ? denial : outcomeNotRecorded;
          yield { message: refusalOf(request.id, stream.call.revision, request.method, refusal) };
          return;
        }
        if (message !== undefined && isResponse(message)) {
          const isExpected = request !== undefined && answers(request.id, message, exchange.status);
          if (!isExpected || isAnswered) {
            metrics.violation(isAnswered ? 'second_response' : 'unasked_response');
            continue;
          }
          const response = await concluded(stream, request, message);
          isAnswered = true;
          yield await withId(stream, isSession, { ...event, message: response });
        } else if (exchange.kind === 'json') {
          // One body, and it is no answer.
          metrics.violation('malformed_result');
        } else if (!isAnswered) {
          const passed = message === undefined ? undefined : await said(stream, message);
          if (message !== undefined && passed === undefined) continue;
          const { message: _, ...rest } = event;
          const leaving = await withId(
            stream,
            isSession,
            passed === undefined ? rest : { ...rest, message: passed },
          );
          isResumable ||= leaving.id !== undefined;
          yield leaving;
        }
      }
      if (isAnswered) return;
      if (request === undefined) await passage.concluded('success', 'ended');
      // 2025-11-25 "Sending Messages to the Server": the server may end the connection before it has answered.
      else if (isResumable) await passage.concluded(brokenOff(stream.asked), 'interrupted');
      else throw new UpstreamFailure('broke_off', 'it ended without a response');
    } catch (error) {
      const failure = asFailure(error, onProblem);
      if (isAnswered) return;
      const mayHaveRun = !failure.isWithoutEffect && !stream.asked.isReadOnly;
      const isRecorded = await passage.concluded(mayHaveRun ? 'unknown' : 'failure', failure.problem);
      if (request === undefined || isResumable) throw failure;
      if (failure.problem === 'cancelled') return;
      const refusal = isRecorded ? upstreamFailed(route, failure, mayHaveRun) : outcomeNotRecorded;
      yield { message: refusalOf(request.id, stream.call.revision, request.method, refusal) };
    } finally {
      // The client left in the middle.
      await passage.concluded(request === undefined ? 'success' : brokenOff(stream.asked), 'cancelled');
    }
  }

  /** Recorded; what could not be recorded does not leave. */
  async function concluded(
    stream: Stream,
    request: Pick<Request, 'id' | 'method' | 'params'>,
    message: Response,
  ): Promise<Response> {
    const { call, passage } = stream;
    const refused = (refusal: Refusal): Response =>
      refusalOf(request.id, call.revision, request.method, refusal);
    let answer: Answer;
    try {
      answer = await answerOf(stream, request, message, refused);
    } catch (error) {
      onProblem('an answer could not be passed on', { route, method: request.method, error });
      answer = {
        response: refused(outcomeNotRecorded),
        outcome: brokenOff(stream.asked),
        status: 'not_passed_on',
      };
    }
    return (await passage.concluded(answer.outcome, answer.status))
      ? answer.response
      : refused(outcomeNotRecorded);
  }

  async function answerOf(
    { call }: Stream,
    request: Pick<Request, 'method' | 'params'>,
    message: Response,
    refused: (refusal: Refusal) => Response,
  ): Promise<Answer> {
    if ('error' in message) {
      const passed = results.ofError(call, message.error);
      if (passed?.asks !== undefined) await recordAsks(call, passed.asks);
      const isPassed = passed === undefined || 'result' in passed;
      return isPassed
        ? { response: message, outcome: 'failure', status: String(message.error.code) }
        : { response: refused(passed.refusal), outcome: 'failure', status: passed.refusal.reason };
    }
    if (!isObject(message.result)) {
      metrics.violation('malformed_result');
      return {
        response: refused(malformed(route, 'its result is none')),
        outcome: 'unknown',
        status: 'malformed',
      };
    }
    const passed = await results.of(call, request, message.result);
    if (passed.asks !== undefined) await recordAsks(call, passed.asks);
    if ('refusal' in passed)
      return { response: refused(passed.refusal), outcome: 'failure', status: passed.refusal.reason };
    const response = passed.result === message.result ? message : { ...message, result: passed.result };
    if (member(message.result, 'isError') === true)
      return { response, outcome: 'failure', status: 'tool_error' };
    const kind = stringMember(message.result, 'resultType');
    return { response, outcome: 'success', status: kind === undefined || kind === 'complete' ? 'ok' : kind };
  }

  async function recordAsks(call: Call, asks: readonly AskJudged[]): Promise<void> {
    await Promise.all(
      asks.map(({ asked, judged }) =>
        recordAsk(call, asked, judged, digestOfMessage({ jsonrpc: '2.0', method: asked.method })),
      ),
    );
  }

  /** A server asks on the caller's behalf: both of its records at once, for the asking is all that happens here. */
  async function recordAsk(call: Call, asked: Asked, judged: Judged, digest: string): Promise<void> {
    const passage = passages(call, asked, digest);
    const decided = passage.decided(decisionOf(judged));
    if (judged.refusal !== undefined) return decided;
    const [, isConcluded] = await Promise.all([decided, passage.concluded('success', 'delivered')]);
    if (!isConcluded)
      throw new UpstreamFailure('broke_off', 'what it asks of the client could not be recorded');
  }

  /** A request or notification of the server as the client gets it; undefined: it does not. */
  async function said(stream: Heard, message: Exclude<Message, Response>): Promise<Message | undefined> {
    return isRequest(message) ? asks(stream, message) : notified(stream, message);
  }

  function mustNotFlood(asking: Heard['asking']): void {
    const now = monotonic();
    if (now - asking.sinceMs >= ASKS_WINDOW_MS) {
      asking.sinceMs = now;
      asking.count = 0;
    }
    asking.count += 1;
    if (asking.count <= MAX_ASKS) return;
    metrics.violation('too_many_requests');
    throw new UpstreamFailure('too_large', 'it asks too much of the client');
  }

  async function asks(stream: Heard, message: Request): Promise<Message | undefined> {
    const { call, sessionId } = stream;
    // 2026-07-28 has none, and no way to answer one.
    if (eraOf(call.revision) === 'stateless') {
      metrics.violation('unexpected_request');
      return undefined;
    }
    mustNotFlood(stream.asking);
    const { problem, ...asked } = askedOf(route, message);
    const judged = judge.decide(call.caller, asked);
    let refusal = judged.refusal ?? (problem === undefined ? undefined : malformed(route, problem));
    try {
      await recordAsk(
        call,
        asked,
        refusal === undefined ? judged : { ...judged, refusal },
        digestOfMessage(message),
      );
    } catch (error) {
      refusal = notRecorded(error);
    }
    if (refusal !== undefined) {
      metrics.refused(refusal.reason);
      answerServer(stream, errorResponse(message.id, refusal.code, refusal.text));
      return undefined;
    }
    const id = await seals.serverRequest(call, sessionId, { id: message.id, method: message.method });
    const { params } = message;
    // Of a client's own tasks (`tasks/…` asked by the server) the ids are the client's.
    if (params === undefined || message.method.startsWith('tasks/') || !('_meta' in params))
      return { ...message, id };
    return { ...message, id, params: await seals.tasks(call, message.method, params) };
  }

  /** In the background: the stream goes on. */
  function answerServer({ call, sessionId }: Stream, message: Response): void {
    const { caller, revision, signal } = call;
    upstream
      .send({ caller, revision, signal, message, ...(sessionId === undefined ? {} : { sessionId }) })
      .then(discard)
      .catch((error: unknown) =>
        onProblem('a server could not be told that it may not ask', { route, error }),
      );
  }

  async function notified(stream: Stream, message: Notification): Promise<Message | undefined> {
    const { call, sessionId } = stream;
    const { method, params } = message;
    if (method === 'notifications/tools/list_changed') definitions.changed();
    if (params === undefined) return message;
    if (method === 'notifications/resources/updated') {
      const uri = stringMember(params, 'uri');
      const { action, resource } = askedAgain(route, 'resources/subscribe', uri);
      const question = { principal: call.caller.principal, action, resource };
      return uri !== undefined && judge.isAllowed(question) ? message : undefined;
    }
    if (method === 'notifications/cancelled' && eraOf(call.revision) === 'session') {
      const requestId = seals.givenServerRequest(call, sessionId, params['requestId'] as RequestId);
      return requestId === undefined ? undefined : { ...message, params: { ...params, requestId } };
    }
    const mayNameTask = '_meta' in params || method.startsWith('notifications/tasks');
    if (!mayNameTask) return message;
    const sealed = await seals.tasks(call, method, params);
    return sealed === params ? message : { ...message, params: sealed };
  }

  /** Event ids are of revisions with sessions; elsewhere one has no meaning and none leaves. */
  async function withId(stream: Stream, isSession: boolean, event: ServerEvent): Promise<ServerEvent> {
    const { id, ...rest } = event;
    if (id === undefined) return event;
    if (!isSession) return rest;
    const { call, sessionId, request, asked } = stream;
    const of = request && {
      id: request.id,
      method: request.method,
      ...(asked.target === undefined ? {} : { target: asked.target }),
    };
    return { ...rest, id: await seals.event(call, sessionId, id, of) };
  }

  return pass;
}

/** A refusal before a request was understood names none. */
function answers(id: RequestId, message: Response, status: number): boolean {
  return message.id === id || (status >= 400 && 'error' in message && (message.id ?? null) === null);
}

const brokenOff = (asked: Asked): CallOutcome['outcome'] => (asked.isReadOnly ? 'failure' : 'unknown');

/** In the words of the record. */
export function decisionOf({ decision, refusal }: Judged): {
  decision: 'allow' | 'deny';
  reason: string;
  policyRevision: string;
} {
  const policyRevision = String(decision.policyRevision);
  return refusal === undefined
    ? { decision: 'allow', reason: decision.reasons[0] ?? 'allowed', policyRevision }
    : { decision: 'deny', reason: refusal.reason, policyRevision };
}

/** Anything thrown as what the layers above expect; what is no `UpstreamFailure` is a defect and reported as one. */
export function asFailure(error: unknown, onProblem: GuardedPorts['onProblem']): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  onProblem('a defect of the door', { error });
  return new UpstreamFailure('broke_off', 'something went wrong here', { cause: error });
}

/** Lets go of an answer that nobody reads. */
export async function discard({ messages }: Exchange): Promise<void> {
  await messages[Symbol.asyncIterator]().return?.();
}
