/**
 * What of a server's answer a caller gets: lists without what it may not use and without tools that are held back, handles
 * sealed, cacheable results `private`, since they are what this caller may see (2026-07-28 "Caching"). An answer of which
 * nothing has to change stays the object that it was.
 */
import {
  eraOf,
  isObject,
  member,
  REVISIONS,
  stringMember,
  URL_ELICITATION_REQUIRED,
  type ErrorResponse,
  type JsonArray,
  type JsonObject,
  type JsonValue,
  type Request,
} from '@sallyport/model-context';
import type { Call } from '../ports.ts';
import { actionOf, resourceName, type Asked } from './asked.ts';
import type { Definitions } from './definitions.ts';
import type { Judge, Judged } from './judge.ts';
import { pieces } from './pieces.ts';
import type { GuardedMetrics } from './ports.ts';
import { malformed, type Refusal } from './refusals.ts';
import type { Seals } from './seals.ts';

/** `asks`: what it asks of the client, each judged; they are recorded before it leaves. */
export type Passed = ({ readonly result: JsonObject } | { readonly refusal: Refusal }) & {
  readonly asks?: readonly AskJudged[];
};
export type AskJudged = { readonly asked: Asked; readonly judged: Judged };

export type Results = {
  /** `request`: as the client sent it. */
  of(call: Call, request: Pick<Request, 'method' | 'params'>, result: JsonObject): Promise<Passed>;
  /** Why an error may not pass, if so: one that asks the client for something asks policy first. */
  ofError(call: Call, error: ErrorResponse['error']): Passed | undefined;
};

type List = {
  readonly member: string;
  /** What names an item, and what using it is called. */
  readonly name: string;
  readonly kind: string;
  readonly action: string;
};
const LISTS: ReadonlyMap<string, List> = new Map([
  ['tools/list', { member: 'tools', name: 'name', kind: 'tool', action: 'context.tools.call' }],
  ['prompts/list', { member: 'prompts', name: 'name', kind: 'prompt', action: 'context.prompts.get' }],
  [
    'resources/list',
    { member: 'resources', name: 'uri', kind: 'resource', action: 'context.resources.read' },
  ],
  [
    'resources/templates/list',
    { member: 'resourceTemplates', name: 'uriTemplate', kind: 'resource', action: 'context.resources.read' },
  ],
]);
/** 2026-07-28 "Caching", "Cacheable Results". */
const CACHEABLE: ReadonlySet<string> = new Set([...LISTS.keys(), 'server/discover', 'resources/read']);
const MAX_INPUT_REQUESTS = 64;

export type ResultPorts = {
  readonly route: string;
  readonly judge: Judge;
  readonly seals: Seals;
  readonly definitions: Definitions;
  readonly metrics: Pick<GuardedMetrics, 'hidden' | 'violation'>;
};

/** For answers of one route, by what `judge` says at that moment. */
export function createResults({ route, judge, seals, definitions, metrics }: ResultPorts): Results {
  /** Undefined: no list. */
  async function filtered(
    call: Call,
    list: List,
    items: JsonValue | undefined,
  ): Promise<JsonArray | undefined> {
    if (!Array.isArray(items)) return undefined;
    const all = items as JsonArray;
    const verdicts = list.kind === 'tool' ? await definitions.listed(call.caller, all) : undefined;
    if (list.kind === 'tool' && verdicts === undefined) return undefined;
    const hidden = { pin: 0, policy: 0 };
    const shown: JsonValue[] = [];
    let index = 0;
    for await (const piece of pieces(all))
      for (const item of piece) {
        const name = stringMember(item, list.name);
        if (name === undefined) return undefined;
        if (verdicts !== undefined && verdicts[index] !== 'pinned') hidden.pin += 1;
        else if (mayUse(call, list, name)) shown.push(item);
        else hidden.policy += 1;
        index += 1;
      }
    if (hidden.pin > 0) metrics.hidden('pin', hidden.pin);
    if (hidden.policy > 0) metrics.hidden('policy', hidden.policy);
    return shown.length === all.length ? all : shown;
  }

  const mayUse = (call: Call, { kind, action }: List, name: string): boolean =>
    judge.isAllowed({
      principal: call.caller.principal,
      action,
      resource: { kind, name: resourceName(route, name) },
      arguments: 'any',
    });

  /** What an interim result asks of the client (2026-07-28 "Multi Round-Trip Requests") is asked on the caller's behalf. */
  function inputs(call: Call, given: JsonValue | undefined): readonly AskJudged[] | undefined {
    if (given === undefined) return [];
    const methods = isObject(given)
      ? Object.values(given).map((request) => stringMember(request, 'method'))
      : undefined;
    if (methods === undefined || methods.length > MAX_INPUT_REQUESTS) return undefined;
    const asks = methods.map((method) => (method === undefined ? undefined : askOf(call, method)));
    return asks.every((ask) => ask !== undefined) ? asks : undefined;
  }

  function askOf(call: Call, method: string): AskJudged | undefined {
    const action = actionOf(method);
    if (action === undefined) return undefined;
    const asked: Asked = { method, action, resource: { kind: 'server', name: route }, isReadOnly: true };
    return { asked, judged: judge.decide(call.caller, asked) };
  }

  return {
    async of(call, request, given) {
      const { method } = request;
      let result = given;
      const isStateless = eraOf(call.revision) === 'stateless';
      const list = LISTS.get(method);
      const isInterim = result['resultType'] === 'input_required';
      if (list !== undefined && !isInterim) {
        const items = member(result, list.member);
        const shown = await filtered(call, list, items);
        if (shown === undefined) {
          metrics.violation('malformed_list');
          return { refusal: malformed(route, `its answer to ${method} is no list`) };
        }
        if (shown !== items) result = { ...result, [list.member]: shown };
      }
      const next = member(result, 'nextCursor');
      if (next !== undefined && method.endsWith('/list')) {
        if (typeof next !== 'string') {
          metrics.violation('malformed_list');
          return { refusal: malformed(route, `its answer to ${method} has a cursor that is none`) };
        }
        result = { ...result, nextCursor: await seals.cursor(call, method, next) };
      }
      const asks = isInterim ? inputs(call, member(result, 'inputRequests')) : [];
      if (asks === undefined) {
        metrics.violation('malformed_result');
        return { refusal: malformed(route, 'what it asks of the client is no set of requests') };
      }
      const refusal = asks.find(({ judged }) => judged.refusal !== undefined)?.judged.refusal;
      if (refusal !== undefined) return { refusal, asks };
      if (isStateless) {
        const state = stringMember(result, 'requestState');
        if (state !== undefined)
          result = { ...result, requestState: await seals.requestState(call, asRequest(request), state) };
        // What is served here, whatever the server speaks itself: the other era is translated.
        if (method === 'server/discover') result = { ...result, supportedVersions: REVISIONS };
        if (CACHEABLE.has(method) && !isInterim && result['cacheScope'] !== 'private')
          result = { ...result, cacheScope: 'private' };
      }
      if (mayNameTask(method, result)) result = await seals.tasks(call, method, result);
      return asks.length === 0 ? { result } : { result, asks };
    },

    ofError(call, { code }) {
      if (code !== URL_ELICITATION_REQUIRED) return undefined;
      const ask = askOf(call, 'elicitation/create');
      if (ask === undefined) return undefined;
      const { refusal } = ask.judged;
      return { ...(refusal === undefined ? { result: {} } : { refusal }), asks: [ask] };
    },
  };
}

const asRequest = ({ method, params }: Pick<Request, 'method' | 'params'>): Request => ({
  jsonrpc: '2.0',
  id: 0,
  method,
  ...(params === undefined ? {} : { params }),
});

/** The cheap question first: most results name none. */
const mayNameTask = (method: string, result: JsonObject): boolean =>
  'task' in result || 'taskId' in result || '_meta' in result || method.startsWith('tasks/');
