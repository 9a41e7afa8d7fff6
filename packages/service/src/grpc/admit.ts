/** From bytes to an admitted request: who calls, may they, what do they say, does policy agree, is it written down. */
import { fromBinary, type Message } from '@bufbuild/protobuf';
import { SallyportError, callerNotAllowed, denied, invalidArgument, type Reason } from '../errors/index.ts';
import type { Caller, PrincipalCaller } from '../identity/index.ts';
import { callerOf, type ActiveCall, type Edge } from './edge.ts';
import type { CallContext } from './implement.ts';
import type { PrincipalCall, PrincipalCallOutcome, Resource, Verdict } from './ports.ts';

export interface Admitted {
  readonly request: Message;
  readonly context: CallContext;
  /** Tells how it ended; to be awaited before the answer leaves. Does nothing for services. */
  readonly conclude: (thrown: unknown) => Promise<void>;
}

/** Throws `SallyportError` with the refusal's reason. */
export async function admit(
  edge: Edge,
  call: ActiveCall,
  bytes: Uint8Array,
  streaming: boolean,
): Promise<Admitted> {
  const caller = callerOf(edge, call);
  // `startGrpcServer` does not start a server without certificates for anything but frames.
  if (caller === undefined) throw callerNotAllowed('this method needs a client certificate');
  const { access } = call.method;
  requireAccess(call, caller);
  const request = decode(call, bytes);
  let verdict: Verdict | undefined;
  let conclude: Admitted['conclude'] = async () => {};
  if (caller.kind === 'principal' && access.principalAction !== undefined) {
    const decided = await decide(edge, call, { caller, action: access.principalAction, request, streaming });
    verdict = decided.verdict;
    conclude = (thrown) => concludePrincipalCall(edge, call, decided.record, thrown);
  }
  const context: CallContext = {
    caller,
    deadline: call.deadline,
    signal: call.signal,
    method: call.method.name,
    peerAddress: call.peerAddress,
    correlationId: call.correlationId,
    verdict,
  };
  return { request, context, conclude };
}

/** What can be said from the proto alone, before a byte of the request is looked at. */
function requireAccess(call: ActiveCall, caller: Caller): void {
  const { access, name } = call.method;
  if (access.anyone) return;
  if (caller.kind === 'service') {
    if (!access.services.has(caller.name)) throw callerNotAllowed(`${caller.name} may not call ${name}`);
  } else if (access.principalAction === undefined) {
    throw callerNotAllowed(`${name} is for services, not for ${caller.id}`);
  }
}

function decode(call: ActiveCall, bytes: Uint8Array): Message {
  try {
    return fromBinary(call.method.input, bytes);
  } catch {
    throw invalidArgument(`the request is not a ${call.method.input.typeName}`);
  }
}

interface Question {
  readonly caller: PrincipalCaller;
  readonly action: string;
  readonly request: Message;
  readonly streaming: boolean;
}

/** Asks policy and writes the answer down, whatever it is. Throws unless it is yes and recorded. */
async function decide(
  edge: Edge,
  call: ActiveCall,
  question: Question,
): Promise<{ readonly verdict: Verdict; readonly record: PrincipalCall }> {
  const { caller, action, request, streaming } = question;
  const resource = resourceOf(call, request);
  const answer = await ask(edge, call, caller, action, resource);
  const record: PrincipalCall = {
    caller,
    action,
    resource,
    method: call.method.name,
    peerAddress: call.peerAddress,
    correlationId: call.correlationId,
    time: edge.clock.now(),
    streaming,
    verdict: answer.verdict,
  };
  await edge.onDecision?.(record);
  if (answer.verdict === undefined) throw answer.error;
  if (answer.verdict.allowed) return { verdict: answer.verdict, record };
  const { requires } = answer.verdict;
  throw denied(
    `${caller.id} may not ${action} on ${resource.kind} ${resource.name}` +
      (requires.length === 0 ? '' : `; what would allow it: ${requires.join(', ')}`),
  );
}

type Answer =
  | { readonly verdict: Verdict; readonly error?: undefined }
  | { readonly verdict: undefined; readonly error: SallyportError };

async function ask(
  edge: Edge,
  call: ActiveCall,
  caller: PrincipalCaller,
  action: string,
  resource: Resource,
): Promise<Answer> {
  try {
    // `startGrpcServer` demands an authoriser for every method with an action.
    const verdict = await edge.authorizePrincipal?.(caller, action, resource, { signal: call.signal });
    if (verdict !== undefined) return { verdict };
    return { verdict: undefined, error: undecided(undefined) };
  } catch (cause) {
    if (cause instanceof SallyportError && cause.reason === 'policy_unavailable') {
      return { verdict: undefined, error: cause };
    }
    return { verdict: undefined, error: undecided(cause) };
  }
}

function undecided(cause: unknown): SallyportError {
  return new SallyportError('policy_unavailable', 'policy could not be asked, so the call is refused', {
    cause,
  });
}

// Kind and name together fit an audit event's attribute; control characters have no place in it nor in policy.
const MAX_NAME_BYTES = 200;
const UNFIT = /\p{C}/u;

/** What the request acts on, bounded: it goes to policy and into the log before the handler has looked at it. */
function resourceOf(call: ActiveCall, request: Message): Resource {
  const { resourceOf: ofRequest } = call.method;
  const resource =
    ofRequest === undefined ? { kind: 'method', name: call.method.name } : ofRequest(request as never);
  const { name } = resource;
  if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES || UNFIT.test(name)) {
    throw invalidArgument(
      `the name of the ${resource.kind} is 1 to ${MAX_NAME_BYTES} bytes of printable text`,
    );
  }
  return resource;
}

const FAILURES: ReadonlySet<Reason> = new Set<Reason>([
  'internal',
  'unavailable',
  'upstream_failed',
  'upstream_timeout',
  'log_inconsistent',
]);

/** The handler was not waited for, or does not know itself: nobody may say that nothing happened. */
const UNCERTAIN: ReadonlySet<Reason> = new Set<Reason>(['deadline_exceeded', 'cancelled', 'outcome_unknown']);

function outcomeOf(reason: Reason | undefined): PrincipalCallOutcome['outcome'] {
  if (reason === undefined) return 'success';
  if (UNCERTAIN.has(reason)) return 'unknown';
  return FAILURES.has(reason) ? 'failure' : 'refused';
}

async function concludePrincipalCall(
  edge: Edge,
  call: ActiveCall,
  record: PrincipalCall,
  thrown: unknown,
): Promise<void> {
  if (edge.onOutcome === undefined) return;
  const reason =
    thrown === undefined ? undefined : thrown instanceof SallyportError ? thrown.reason : 'internal';
  await edge.onOutcome(record, {
    outcome: outcomeOf(reason),
    reason,
    durationMs: edge.clock.monotonic() - call.startedAt,
  });
}
