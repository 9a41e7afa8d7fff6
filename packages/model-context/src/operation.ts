/** What a message is about, in the words of policy and records. */
import { objectMember, stringMember } from './json.ts';
import type { JsonObject, JsonValue, Notification, Request } from './message.ts';
import { paramsOf } from './meta.ts';

export type OperationKind = 'tool' | 'prompt' | 'resource' | 'server';
export type Operation = {
  readonly method: string;
  /** `server` for what concerns no single tool, prompt or resource. */
  readonly kind: OperationKind;
  /** Tool name, prompt name or URI. Absent for `server`, and where the message does not name one although it must. */
  readonly target?: string;
  /** Of a tool or prompt, `{}` where absent. */
  readonly arguments?: JsonObject;
};

type Source = {
  readonly kind: OperationKind;
  readonly target: (params: JsonValue | undefined) => string | undefined;
};
const named: Source['target'] = (params) => stringMember(params, 'name');
const located: Source['target'] = (params) => stringMember(params, 'uri');
const SOURCES: ReadonlyMap<string, Source> = new Map([
  ['tools/call', { kind: 'tool', target: named }],
  ['prompts/get', { kind: 'prompt', target: named }],
  ['resources/read', { kind: 'resource', target: located }],
  ['resources/subscribe', { kind: 'resource', target: located }],
  ['resources/unsubscribe', { kind: 'resource', target: located }],
  ['notifications/resources/updated', { kind: 'resource', target: located }],
]);

/** Total: what does not name its target although it must has none, and methods that are not known concern the server. */
export const operationOf = (message: Request | Notification): Operation => {
  const { method } = message;
  const params = paramsOf(message);
  if (method === 'completion/complete') return completionOf(method, params);
  const source = SOURCES.get(method);
  if (source === undefined) return { method, kind: 'server' };
  const target = source.target(params);
  const carriesArguments = method === 'tools/call' || method === 'prompts/get';
  return {
    method,
    kind: source.kind,
    ...(target === undefined ? {} : { target }),
    ...(carriesArguments ? { arguments: objectMember(params, 'arguments') ?? {} } : {}),
  };
};

/** `ref` names a prompt or a resource template. */
const completionOf = (method: string, params: JsonObject | undefined): Operation => {
  const reference = objectMember(params, 'ref');
  const isPrompt = stringMember(reference, 'type') === 'ref/prompt';
  const target = stringMember(reference, isPrompt ? 'name' : 'uri');
  return { method, kind: isPrompt ? 'prompt' : 'resource', ...(target === undefined ? {} : { target }) };
};
