/** Whether a message of a client may go on: its handles opened, policy asked, its tool pinned, and that decided in the record. */
import {
  checkParameters,
  eraOf,
  member,
  objectMember,
  type JsonValue,
  type Notification,
  type Request,
} from '@sallyport/model-context';
import { SallyportError } from '@sallyport/service/errors';
import type { Call, HandleKind, MessageCall } from '../ports.ts';
import { askedAgain, type Asked } from './asked.ts';
import type { Definitions } from './definitions.ts';
import type { Judge } from './judge.ts';
import type { Passage } from './passages.ts';
import type { GuardedPorts } from './ports.ts';
import {
  handleUnjudged,
  heldBack,
  invalid,
  methodGone,
  mirroredWrongly,
  notRecorded,
  sessionUnknown,
  toolUnknown,
  upstreamFailed,
  type Refusal,
} from './refusals.ts';
import { BadHandle, type Seals } from './seals.ts';
import { asFailure } from './streams.ts';

/** What policy said of a message, and what goes to the upstream when it was a yes. */
export type Admission<T> = { readonly refusal: Refusal; readonly forward?: undefined } | Admitted<T>;
export type Admitted<T> = {
  readonly refusal?: undefined;
  readonly forward: T;
  readonly reason: string;
  readonly policyRevision: string;
};

export type InSession = { readonly sessionId?: string };

export type Admissions = {
  /** Of a handle that could not be opened or found bad. */
  unjudged(error: unknown): Refusal;
  /** The upstream's session of a call, in eras that have one. */
  sessionOf(call: Call): Promise<InSession | Refusal>;
  /** Policy alone. */
  judged<T>(call: Call, asked: Asked, forward: T): Admission<T>;
  /** Everything that a request or notification has to pass. */
  ofMessage(
    call: MessageCall,
    message: Request | Notification,
    asked: Asked & { readonly problem?: string },
  ): Promise<Admission<MessageCall>>;
  /** The refusal to answer with, once the decision is in the record; undefined: go on. */
  recorded(passage: Passage, admission: Admission<unknown>): Promise<Refusal | undefined>;
};

export type AdmissionPorts = {
  readonly judge: Judge;
  readonly seals: Seals;
  readonly definitions: Definitions;
} & Pick<GuardedPorts, 'route' | 'policyRevision' | 'metrics' | 'onProblem'>;

export const BAD_HANDLE: Readonly<Record<HandleKind, Refusal>> = {
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
const MAX_SUBSCRIPTIONS = 1_024;

/** For one route and era. Nothing rejects: what goes wrong is a refusal. */
export function createAdmissions(ports: AdmissionPorts): Admissions {
  const { route, judge, seals, definitions, metrics, onProblem } = ports;

  function unjudged(error: unknown): Refusal {
    // Who is away is in the metrics and in `/readyz`; anything else is a defect.
    if (!(error instanceof SallyportError)) onProblem('a handle could not be judged', { route, error });
    return handleUnjudged;
  }

  async function sessionOf(call: Call): Promise<InSession | Refusal> {
    if (call.sessionId === undefined || eraOf(call.revision) === 'stateless') return {};
    try {
      const sessionId = await seals.openSession(call, call.sessionId);
      return sessionId === undefined ? sessionUnknown : { sessionId };
    } catch (error) {
      return unjudged(error);
    }
  }

  function judged<T>(call: Call, asked: Asked, forward: T): Admission<T> {
    const { decision, refusal } = judge.decide(call.caller, asked);
    if (refusal !== undefined) return { refusal };
    const policyRevision = String(decision.policyRevision);
    return { forward, policyRevision, reason: decision.reasons[0] ?? 'allowed' };
  }

  async function ofMessage(
    call: MessageCall,
    message: Request | Notification,
    asked: Asked & { readonly problem?: string },
  ): Promise<Admission<MessageCall>> {
    const isStateless = eraOf(call.revision) === 'stateless';
    if (isStateless && message.method === GONE) return { refusal: methodGone };
    if (asked.problem !== undefined && !(isStateless && GONE_THERE.has(message.method)))
      return { refusal: invalid('params_invalid', `Invalid params: ${asked.problem}.`) };
    const session = message.method === 'initialize' ? {} : await sessionOf(call);
    if ('code' in session) return { refusal: session };
    let found: Awaited<ReturnType<Seals['openParams']>>;
    try {
      if (message.params !== undefined) found = await seals.openParams(call, message);
    } catch (error) {
      return { refusal: unjudged(error) };
    }
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

  return { unjudged, sessionOf, judged, ofMessage, recorded };
}

/** A call as the upstream gets it: in its own session, without what another gateway may have said of it. */
export function inner<C extends Call>(call: C, session: InSession): C {
  const { sessionId: _, evidence: __, ...rest } = call;
  return { ...rest, ...session } as C;
}

/** What goes on, with the words by which the server finds it in the record. */
export function evidenced<C extends Call>(passage: Passage, admission: Admitted<C>): C {
  const { correlation } = passage;
  return { ...admission.forward, evidence: { correlation, policyRevision: admission.policyRevision } };
}
