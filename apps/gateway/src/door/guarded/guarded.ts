/**
 * A route of the door, guarded: each message is opened, decided, pinned and recorded before it goes further; each answer is
 * filtered, recorded and sealed before it leaves (docs/adr/0083).
 */
import {
  checkParameters,
  eraOf,
  isNotification,
  isRequest,
  member,
  objectMember,
  type JsonValue,
  type Message,
  type Notification,
  type Request,
  type Response,
} from '@sallyport/model-context';
import {
  type Call,
  type Exchange,
  type HandleKind,
  type ListenCall,
  type MessageCall,
  type ModelContextServer,
} from '../ports.ts';
import { actionOf, askedAgain, askedOf, askedOfServer, END, LISTEN, RESPONSE, type Asked } from './asked.ts';
import { createDefinitions } from './definitions.ts';
import { createJudge } from './judge.ts';
import { createPassages, digestOfMessage, NO_BODY_DIGEST, type Passage } from './passages.ts';
import type { GuardedPorts } from './ports.ts';
import {
  exchangeOf,
  heldBack,
  invalid,
  malformed,
  methodGone,
  mirroredWrongly,
  notRecorded,
  outcomeNotRecorded,
  refusalOf,
  sessionUnknown,
  toolUnknown,
  upstreamFailed,
  withoutId,
  type Refusal,
} from './refusals.ts';
import { createResults } from './results.ts';
import { BadHandle, createSeals, type StreamOf } from './seals.ts';
import { asFailure, createStreams, discard, type Stream } from './streams.ts';

/** What policy said of a message, and what goes to the upstream when it was a yes. */
type Admission<T> = { readonly refusal: Refusal; readonly forward?: undefined } | Admitted<T>;
type Admitted<T> = {
  readonly refusal?: undefined;
  readonly forward: T;
  readonly reason: string;
  readonly policyRevision: string;
};

const BAD_HANDLE: Readonly<Record<HandleKind, Refusal>> = {
  session: sessionUnknown,
  cursor: invalid(
    'cursor_invalid',
    'Invalid cursor: it is not one of this list, or too old. Begin the list anew.',
  ),
  event: invalid('event_invalid', 'Last-Event-ID is not one of this session, or too old.'),
  request: invalid('request_unknown', 'Nothing was asked that this could be the response to.'),
  request_state: invalid(
    'request_state_invalid',
    'Invalid requestState: it was not given for this request, or it is too old. Make the request anew without it.',
  ),
  task: invalid('task_unknown', 'There is no such task.'),
};
/** No more in 2026-07-28: not asked whether the task that it names is known. */
const GONE = 'tasks/result';
/** Nor these, which are the server's to refuse: not asked whether they name something. */
const GONE_THERE: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe']);
/** Statuses that a request is refused with; the others are for what gets no response of its own. */
const OF_REQUESTS: ReadonlySet<number> = new Set([400, 404]);
const MAX_SUBSCRIPTIONS = 1_024;
const MAX_ANSWERED = 16_384;

/** `upstream` already speaks the client's era. What comes out takes and gives sealed handles only. */
export function guardedServer(upstream: ModelContextServer, ports: GuardedPorts): ModelContextServer {
  const { route, metrics, monotonic, onProblem } = ports;
  const judge = createJudge(ports);
  const seals = createSeals(ports.handles, route);
  const definitions = createDefinitions(upstream, ports);
  const results = createResults({ route, judge, seals, definitions, metrics });
  const passages = createPassages(ports);
  const streams = createStreams({
    ...{ upstream, judge, seals, results, definitions, passages },
    route,
    metrics,
    monotonic,
    onProblem,
  });
  /** Ids of servers' requests that were answered: one answer is enough. */
  const answered = new Set<string>();

  /** The upstream's session of a call. */
  async function sessionOf(call: Call): Promise<{ readonly sessionId?: string } | Refusal> {
    if (call.sessionId === undefined || eraOf(call.revision) === 'stateless') return {};
    const sessionId = await seals.openSession(call, call.sessionId);
    return sessionId === undefined ? sessionUnknown : { sessionId };
  }

  function inner<C extends Call>(call: C, session: { readonly sessionId?: string }): C {
    const { sessionId: _, evidence: __, ...rest } = call;
    return { ...rest, ...session } as C;
  }

  /** What goes on, with the words by which the server finds it in the record. */
  function evidenced<C extends Call>(passage: Passage, admission: Admitted<C>): C {
    const { correlation } = passage;
    return { ...admission.forward, evidence: { correlation, policyRevision: admission.policyRevision } };
  }

  function judged<T>(call: Call, asked: Asked, forward: T): Admission<T> {
    const { decision, refusal } = judge.decide(call.caller, asked);
    if (refusal !== undefined) return { refusal };
    const policyRevision = String(decision.policyRevision);
    return { forward, policyRevision, reason: decision.reasons[0] ?? 'allowed' };
  }

  async function admitted<M extends Request | Notification>(
    call: MessageCall,
    message: M,
    asked: ReturnType<typeof askedOf>,
  ): Promise<Admission<MessageCall>> {
    const isStateless = eraOf(call.revision) === 'stateless';
    if (isStateless && message.method === GONE) return { refusal: methodGone };
    if (asked.problem !== undefined && !(isStateless && GONE_THERE.has(message.method)))
      return { refusal: invalid('params_invalid', `Invalid params: ${asked.problem}.`) };
    const session = message.method === 'initialize' ? {} : await sessionOf(call);
    if ('code' in session) return { refusal: session };
    const found = message.params === undefined ? undefined : await seals.openParams(call, message);
    const strange = found instanceof BadHandle ? BAD_HANDLE[found.kind] : undefined;
    const params = found instanceof BadHandle ? found.instead : found;
    if (strange !== undefined && params === undefined) return { refusal: strange };
    const opened = params === message.params || params === undefined ? message : { ...message, params };
    const admission = judged(call, asked, { ...inner(call, session), message: opened });
    if (admission.refusal !== undefined) return admission;
    const refusal = subscriptionProblem(call, message) ?? (await pinProblem(admission.forward, asked));
    if (refusal !== undefined) return { refusal };
    return strange === undefined ? admission : { ...admission, reason: strange.reason };
  }

  /** 2026-07-28: a stream may name resources, each of which is a subscription. */
  function subscriptionProblem(call: Call, { method, params }: Request | Notification): Refusal | undefined {
    if (method !== 'subscriptions/listen') return undefined;
    const uris = member(objectMember(params, 'notifications'), 'resourceSubscriptions');
    if (uris === undefined) return undefined;
    const isList = Array.isArray(uris) && uris.length <= MAX_SUBSCRIPTIONS;
    if (!isList || !uris.every((uri: JsonValue) => typeof uri === 'string'))
      return invalid('params_invalid', `resourceSubscriptions has to be at most ${MAX_SUBSCRIPTIONS} URIs.`);
    for (const uri of uris) {
      const { refusal } = judge.decide(call.caller, askedAgain(route, 'resources/subscribe', uri));
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  async function pinProblem(forward: MessageCall, { method, target }: Asked): Promise<Refusal | undefined> {
    if (method !== 'tools/call' || target === undefined) return undefined;
    try {
      const verdict = definitions.verdict(forward, target);
      const known = typeof verdict === 'string' ? verdict : await verdict;
      if (known === 'pinned') return mirrorProblem(forward, target);
      return known === 'unknown' ? toolUnknown(route, target) : heldBack(route, target, known);
    } catch (error) {
      return upstreamFailed(route, asFailure(error, onProblem), false);
    }
  }

  /** 2026-07-28: headers that repeat arguments are read by what stands before us, so they must say what the body says. */
  function mirrorProblem(
    { caller, message, parameterHeaders, revision }: MessageCall,
    tool: string,
  ): Refusal | undefined {
    if (parameterHeaders === undefined || eraOf(revision) === 'session') return undefined;
    const schema = definitions.mirroring(caller, tool);
    const problem = schema === undefined ? undefined : checkParameters(parameterHeaders, message, schema);
    return problem === undefined ? undefined : mirroredWrongly(problem);
  }

  /** The refusal to answer with, once the decision is in the record; undefined: go on. */
  async function recorded(passage: Passage, admission: Admission<unknown>): Promise<Refusal | undefined> {
    const { refusal } = admission;
    try {
      if (admission.refusal === undefined) {
        const { reason, policyRevision } = admission;
        await passage.decided({ decision: 'allow', reason, policyRevision });
        return undefined;
      }
      const { reason, policyRevision = ports.policyRevision() } = admission.refusal;
      await passage.decided({ decision: 'deny', reason, policyRevision });
    } catch (error) {
      const unrecorded = notRecorded(error);
      metrics.refused(unrecorded.reason);
      return unrecorded;
    }
    if (refusal !== undefined) metrics.refused(refusal.reason);
    return refusal;
  }

  async function request(call: MessageCall, message: Request): Promise<Exchange> {
    const { revision, signal } = call;
    const asked = askedOf(route, message);
    const passage = passages(call, asked, call.requestDigest ?? digestOfMessage(message));
    const refuse = (refusal: Refusal, status = 200): Exchange =>
      exchangeOf(status, refusalOf(message.id, revision, message.method, refusal));

    const admission = await admitted(call, message, asked);
    const refusal = await recorded(passage, admission);
    if (refusal !== undefined)
      return refuse(refusal, OF_REQUESTS.has(refusal.status ?? 200) ? refusal.status : 200);
    if (admission.forward === undefined) return refuse(notRecorded(undefined));
    passage.endsWithClient(signal, asked.isReadOnly ? 'failure' : 'unknown', 'cancelled');
    let exchange: Exchange;
    try {
      exchange = await upstream.send(evidenced(passage, admission));
    } catch (error) {
      const failure = asFailure(error, onProblem);
      const mayHaveRun = !failure.isWithoutEffect && !asked.isReadOnly;
      const isRecorded = await passage.concluded(mayHaveRun ? 'unknown' : 'failure', failure.problem);
      return refuse(isRecorded ? upstreamFailed(route, failure, mayHaveRun) : outcomeNotRecorded);
    }
    return answer(
      {
        call,
        request: message,
        asked,
        passage,
        sessionId: exchange.sessionId ?? admission.forward.sessionId,
      },
      exchange,
      refuse,
    );
  }

  async function answer(
    stream: Stream & { readonly request: Pick<Request, 'method'> },
    exchange: Exchange,
    refuse: (refusal: Refusal) => Exchange,
  ): Promise<Exchange> {
    const { call, passage, asked, request } = stream;
    const { sessionId: opened, ...plain } = exchange;
    if (exchange.kind === 'none') {
      await discard(exchange);
      if (exchange.status >= 400) {
        const isRecorded = await passage.concluded('failure', `http_${exchange.status}`);
        return isRecorded ? plain : refuse(outcomeNotRecorded);
      }
      metrics.violation('malformed_result');
      await passage.concluded(asked.isReadOnly ? 'failure' : 'unknown', 'malformed');
      return refuse(malformed(route, 'there is none'));
    }
    const messages = streams(stream, exchange);
    if (opened === undefined || request.method !== 'initialize') return { ...plain, messages };
    try {
      return { ...plain, messages, sessionId: await seals.session(call, opened) };
    } catch (error) {
      await discard(exchange);
      await passage.concluded('failure', 'not_sealed');
      return refuse(notRecorded(error));
    }
  }

  async function notify(call: MessageCall, message: Notification): Promise<Exchange> {
    const asked = askedOf(route, message);
    const passage = passages(call, asked, call.requestDigest ?? digestOfMessage(message));
    return oneWay(passage, await admitted(call, message, asked));
  }

  async function respond(call: MessageCall, message: Response): Promise<Exchange> {
    const digest = call.requestDigest ?? digestOfMessage(message);
    const session = await sessionOf(call);
    if ('code' in session)
      return oneWay(passages(call, askedOfServer(route, RESPONSE), digest), { refusal: session });
    const toWhat = await seals.openServerRequest(call, session.sessionId, message.id);
    const sealedId = String(message.id);
    if (toWhat === undefined || answered.has(sealedId))
      return oneWay(passages(call, askedOfServer(route, RESPONSE), digest), { refusal: BAD_HANDLE.request });
    answered.add(sealedId);
    for (const oldest of answered) {
      if (answered.size <= MAX_ANSWERED) break;
      answered.delete(oldest);
    }
    const asked = askedOfServer(route, actionOf(toWhat.method) ?? RESPONSE, false);
    const passage = passages(call, asked, digest);
    let opened: Message = { ...message, id: toWhat.id };
    // Of a task that the client holds itself the id is its own.
    if ('result' in opened && '_meta' in opened.result && !toWhat.method.startsWith('tasks/')) {
      const result = await seals.openRelatedTask(call, opened.result);
      if (result instanceof BadHandle) return oneWay(passage, { refusal: BAD_HANDLE.task });
      opened = { ...opened, result };
    }
    return oneWay(passage, judged(call, asked, { ...inner(call, session), message: opened }));
  }

  /** What gets no response: the outcome is that it was taken. */
  async function oneWay(passage: Passage, admission: Admission<MessageCall>): Promise<Exchange> {
    const refusal = await recorded(passage, admission);
    if (refusal !== undefined || admission.forward === undefined)
      return withoutId(refusal ?? notRecorded(undefined));
    return taken(passage, false, () => upstream.send(evidenced(passage, admission)));
  }

  async function taken(
    passage: Passage,
    isReadOnly: boolean,
    go: () => Promise<Exchange>,
  ): Promise<Exchange> {
    try {
      const exchange = await go();
      const { status } = exchange;
      const error = status >= 400 ? await errorOf(exchange) : (await discard(exchange), undefined);
      const isRecorded = await passage.concluded(
        status < 400 ? 'success' : 'failure',
        status < 400 ? 'taken' : error === undefined ? `http_${status}` : String(error.error.code),
      );
      if (!isRecorded) return withoutId(outcomeNotRecorded);
      return error === undefined ? { status, kind: 'none', messages: nothing() } : exchangeOf(status, error);
    } catch (error) {
      const failure = asFailure(error, onProblem);
      const mayHaveRun = !failure.isWithoutEffect && !isReadOnly;
      const isRecorded = await passage.concluded(mayHaveRun ? 'unknown' : 'failure', failure.problem);
      return withoutId(isRecorded ? upstreamFailed(route, failure, mayHaveRun) : outcomeNotRecorded);
    }
  }

  async function listen(call: ListenCall): Promise<Exchange> {
    if (eraOf(call.revision) === 'stateless') return { status: 405, kind: 'none', messages: nothing() };
    const session = await sessionOf(call);
    const { lastEventId: sealed, ...unsealed } = call;
    let event: { readonly id: string; readonly of?: StreamOf } | undefined;
    let refusal = 'code' in session ? session : undefined;
    if (!('code' in session) && sealed !== undefined) {
      event = await seals.openEvent(call, session.sessionId, sealed);
      if (event === undefined) refusal = BAD_HANDLE.event;
    }
    const { of } = event ?? {};
    const asked: Asked = {
      ...askedOfServer(route, LISTEN),
      ...(of?.target === undefined ? {} : { target: of.target }),
    };
    const passage = passages(call, asked, NO_BODY_DIGEST);
    const forward = {
      ...inner(unsealed, 'code' in session ? {} : session),
      ...(event === undefined ? {} : { lastEventId: event.id }),
    };
    let admission: Admission<ListenCall> = refusal === undefined ? judged(call, asked, forward) : { refusal };
    // What is resumed is the answer to something that may have been taken away meanwhile.
    if (admission.refusal === undefined && of !== undefined) {
      const again = { ...askedAgain(route, of.method, of.target) };
      const denial = judge.decideAny(call.caller, again).refusal;
      if (denial !== undefined) admission = { refusal: denial };
    }
    const stop = await recorded(passage, admission);
    if (stop !== undefined || admission.forward === undefined)
      return withoutId(stop ?? notRecorded(undefined));
    passage.endsWithClient(call.signal, 'success', 'closed');
    let exchange: Exchange;
    try {
      exchange = await upstream.listen(evidenced(passage, admission));
    } catch (error) {
      const failure = asFailure(error, onProblem);
      await passage.concluded('failure', failure.problem);
      return withoutId(upstreamFailed(route, failure, false));
    }
    const { sessionId: _, ...plain } = exchange;
    if (exchange.status >= 400) return taken(passage, true, () => Promise.resolve(plain));
    const stream: Stream = {
      ...{ call, asked, passage, sessionId: forward.sessionId },
      ...(of === undefined ? {} : { request: { id: of.id, method: of.method }, isResumed: true }),
    };
    return { ...plain, messages: streams(stream, exchange) };
  }

  async function end(call: Call): Promise<Exchange> {
    if (eraOf(call.revision) === 'stateless') return { status: 405, kind: 'none', messages: nothing() };
    const asked = askedOfServer(route, END, false);
    const passage = passages(call, asked, NO_BODY_DIGEST);
    const session = await sessionOf(call);
    const admission = 'code' in session ? { refusal: session } : judged(call, asked, inner(call, session));
    const refusal = await recorded(passage, admission);
    if (refusal !== undefined || admission.forward === undefined)
      return withoutId(refusal ?? notRecorded(undefined));
    return taken(passage, false, () => upstream.end(evidenced(passage, admission)));
  }

  return {
    send(call) {
      const { message } = call;
      if (isRequest(message)) return request(call, message);
      return isNotification(message) ? notify(call, message) : respond(call, message);
    },
    listen,
    end,
  };
}

async function errorOf(exchange: Exchange): Promise<Extract<Response, { error: unknown }> | undefined> {
  for await (const { message } of exchange.messages)
    if (message !== undefined && 'error' in message) return message;
  return undefined;
}

async function* nothing(): AsyncIterable<never> {
  // Nothing is said.
}
