/** How a client hears that something is refused: useful to a person and an agent, silent about what is inside. Pure. */
import {
  errorResponse,
  eraOf,
  INTERNAL_ERROR,
  INVALID_PARAMS,
  METHOD_NOT_FOUND,
  REFUSED,
  RETRY_LATER,
  resultResponse,
  type HeaderProblem,
  type JsonObject,
  type RequestId,
  type Response,
  type Revision,
} from '@sallyport/model-context';
import type { Decision } from '@sallyport/policy-engine';
import { httpProblemOf, retryAfterMsOf, SallyportError } from '@sallyport/service/errors';
import type { Caller, Exchange, ServerEvent, UpstreamFailure } from '../ports.ts';
import type { Asked } from './asked.ts';
import type { PinVerdict } from './ports.ts';

/** Why a message goes no further. */
export type Refusal = {
  /** For the record and the metric: a label. */
  readonly reason: string;
  readonly code: number;
  readonly text: string;
  readonly data?: JsonObject;
  /** HTTP status. */
  readonly status?: number;
  /** Where there is no `status`, of what gets no response of its own: default 400, and 403 for policy. Requests have 200. */
  readonly oneWayStatus?: number;
  /** Policy revision that it was judged by, where policy was asked. */
  readonly policyRevision?: string;
};

const TOOLS_CALL = 'tools/call';
const DEFAULT_RETRY_MS = 1_000;

/** Says whose right to what is missing, and what policy would accept; no argument by its value. */
export function denied(caller: Caller, route: string, asked: Asked, decision: Decision): Refusal {
  const { reasons, requires, policyRevision } = decision;
  const reason = reasons[0] ?? 'denied';
  const what = described(route, asked);
  const why =
    requires.length === 0
      ? `Policy says: ${reason}.`
      : `Policy says: ${reason}. It would be allowed with ${requires.map(needText).join(', or ')}.`;
  return {
    reason,
    code: REFUSED,
    text: `${caller.principal.id} may not ${what} (policy revision ${policyRevision}). ${why}`,
    data: { reason, requires: [...requires] },
    policyRevision: String(policyRevision),
  };
}

/** A tool whose pin keeps it away, with the command for whoever may approve it. */
export function heldBack(route: string, tool: string, verdict: Exclude<PinVerdict, 'pinned'>): Refusal {
  const [reason, state] =
    verdict === 'changed'
      ? ['tool_changed', 'is not what was approved: its definition has changed']
      : ['tool_waiting', 'has not been approved yet'];
  const next = `sallyport tools approve ${route} ${tool}`;
  return {
    reason,
    code: REFUSED,
    text: `The tool "${tool}" of "${route}" ${state}, so it is held back. Who may approve tools can look at it and run: ${next}`,
    data: { reason, requires: [next] },
  };
}

/** -32602, as of a server that has no such tool. */
export const toolUnknown = (route: string, tool: string): Refusal => ({
  reason: 'tool_unknown',
  code: INVALID_PARAMS,
  text: `Unknown tool: "${route}" lists no tool "${tool}"`,
  data: { reason: 'tool_unknown' },
});

/** -32602. `text` is for a person and holds nothing that the caller did not send. */
export const invalid = (reason: string, text: string): Refusal => ({
  reason,
  code: INVALID_PARAMS,
  text,
  data: { reason },
});

/** 2026-07-28 "Streamable HTTP": 404. */
export const methodGone: Refusal = {
  reason: 'method_unknown',
  code: METHOD_NOT_FOUND,
  text: 'Method not found',
  status: 404,
};

/** 2026-07-28 "Streamable HTTP", Server Validation: 400. */
export const mirroredWrongly = ({ code, message }: HeaderProblem): Refusal => ({
  reason: 'header_mismatch',
  code,
  text: message,
  status: 400,
});

/** 2025-11-25 "Session Management": 404, and the client begins anew. */
export const sessionUnknown: Refusal = {
  reason: 'session_unknown',
  code: RETRY_LATER,
  text: 'Session not found: begin a new one with initialize',
  data: { reason: 'session_unknown' },
  status: 404,
};

/** Nobody can say whether a handle is good: it may be, so the client keeps it and comes again. */
export const handleUnjudged: Refusal = {
  reason: 'unavailable',
  code: RETRY_LATER,
  text: 'Nothing was done: nobody can say now whether a session or handle of this request is good. Try again later.',
  data: { reason: 'unavailable', retryAfterMs: DEFAULT_RETRY_MS },
  status: 503,
};

/** The record could not be written, so nothing was done. */
export function notRecorded(error: unknown): Refusal {
  const reason = error instanceof SallyportError ? error.reason : 'unavailable';
  return {
    reason,
    code: RETRY_LATER,
    text: `Nothing was done: it could not be recorded (${httpProblemOf[reason].title.toLowerCase()}). Try again later.`,
    data: { reason, retryAfterMs: retryAfterMsOf[reason] ?? DEFAULT_RETRY_MS },
    oneWayStatus: 503,
  };
}

/** It was done and that could not be recorded: the answer stays here. */
export const outcomeNotRecorded: Refusal = {
  reason: 'outcome_not_recorded',
  code: INTERNAL_ERROR,
  text: 'The answer is withheld because it could not be recorded. What was asked for may have been carried out.',
  data: { reason: 'outcome_not_recorded', mayHaveRun: true },
};

/** -32603: the server's answer cannot be believed. `what` names the fault, not the content. */
export const malformed = (route: string, what: string): Refusal => ({
  reason: 'malformed',
  code: INTERNAL_ERROR,
  text: `The answer of "${route}" is refused: ${what}.`,
  data: { reason: 'malformed' },
});

const TROUBLE: Readonly<Record<UpstreamFailure['problem'], string>> = {
  unreachable: 'cannot be reached',
  busy: 'takes no more at present',
  timeout: 'did not answer in time',
  broke_off: 'broke off before its answer was whole',
  too_large: 'answered with more than may pass',
  malformed: 'answered with something that is not the protocol',
  cancelled: 'was told to stop',
};

/** Retryable where another try could end otherwise. `mayHaveRun`: nobody can tell whether the request took effect. */
export function upstreamFailed(route: string, failure: UpstreamFailure, mayHaveRun: boolean): Refusal {
  const { problem } = failure;
  const isTransient = problem !== 'too_large' && problem !== 'malformed';
  const text = `"${route}" ${TROUBLE[problem]}. ${mayHaveRun ? 'What was asked for may have been carried out.' : 'Nothing was done.'}`;
  return {
    reason: problem,
    code: isTransient ? RETRY_LATER : INTERNAL_ERROR,
    text,
    data: {
      reason: problem,
      ...(mayHaveRun ? { mayHaveRun } : isTransient ? { retryAfterMs: DEFAULT_RETRY_MS } : {}),
    },
    oneWayStatus: 503,
  };
}

/**
 * The refusal of a request. Of a tool call that policy or a pin stops it is a result, which an agent reads as the tool's
 * answer; everything else is an error.
 */
export function refusalOf(id: RequestId, revision: Revision, method: string, refusal: Refusal): Response {
  const { code, text, data } = refusal;
  if (method !== TOOLS_CALL || code !== REFUSED) return errorResponse(id, code, text, data);
  const result = { content: [{ type: 'text', text }], isError: true };
  return resultResponse(id, eraOf(revision) === 'stateless' ? { ...result, resultType: 'complete' } : result);
}

/** One response, as JSON and not as a stream. */
export const exchangeOf = (status: number, response: Response): Exchange => ({
  status,
  kind: 'json',
  messages: once({ message: response }),
});

/** For what gets no response of its own: an HTTP status, and an error without an id. */
export const withoutId = (refusal: Refusal): Exchange =>
  exchangeOf(
    refusal.status ?? refusal.oneWayStatus ?? (refusal.code === REFUSED ? 403 : 400),
    errorResponse(undefined, refusal.code, refusal.text, refusal.data),
  );

async function* once(event: ServerEvent): AsyncIterable<ServerEvent> {
  yield event;
}

function described(route: string, { action, resource, target }: Asked): string {
  if (target === undefined) return `use ${action} on "${route}"`;
  const verb = action === 'context.tools.call' ? 'call' : `use ${action} on`;
  return `${verb} the ${resource.kind} "${shown(target)}" of "${route}"`;
}

/** As `sallyport policy check` says it; `data.requires` has it for programs. */
function needText(need: string): string {
  const [, kind, name = ''] = /^(role|argument):(.*)$/su.exec(need) ?? [];
  if (kind === 'role') return `the role ${shown(name)}`;
  return kind === 'argument' ? `another value of the argument ${shown(name)}` : need;
}

const MAX_SHOWN = 256;
const shown = (text: string): string => (text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`);
