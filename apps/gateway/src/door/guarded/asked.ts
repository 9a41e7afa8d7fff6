/** What a message asks for, in the words of policy and records. Pure. */
import {
  isObject,
  member,
  operationOf,
  type JsonObject,
  type Notification,
  type Operation,
  type Request,
} from '@sallyport/model-context';
import type { Resource } from '@sallyport/policy-engine';

export type Asked = {
  readonly method: string;
  /** `context.` and the method, `/` written as `.`. */
  readonly action: string;
  readonly resource: Resource;
  /** Tool, prompt or URI. */
  readonly target?: string;
  /** Of a tool or a prompt. */
  readonly arguments?: JsonObject;
  /** Broken off, it certainly changed nothing. */
  readonly isReadOnly: boolean;
};

/** Actions and targets for what is no method of the protocol. */
export const LISTEN = 'context.listen';
export const END = 'context.end';
export const RESPONSE = 'context.response';
const UNKNOWN_METHOD = 'context.unknown';

/** The audit log's bound of an action (packages/audit-log, limits). */
const MAX_ACTION_LENGTH = 64;

const READ_ONLY: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'subscriptions/listen',
  'tasks/get',
  'tasks/list',
  'tasks/result',
]);

/**
 * `problem`: it names no tool, prompt or resource although it must, its arguments are none that policy and the record could
 * see, or its method is too long for the record.
 */
export function askedOf(
  route: string,
  message: Request | Notification,
): Asked & { readonly problem?: string } {
  const operation = operationOf(message);
  const action = actionOf(message.method);
  const asked = askedFor(route, operation, action ?? UNKNOWN_METHOD);
  if (action === undefined) return { ...asked, problem: 'its method has too long a name' };
  if (operation.kind !== 'server' && operation.target === undefined)
    return { ...asked, problem: `${message.method} has to name a ${operation.kind}` };
  const given = operation.arguments === undefined ? undefined : member(message.params, 'arguments');
  // What policy takes for no arguments, a lenient server could take for some.
  return given === undefined || given === null || isObject(given)
    ? asked
    : { ...asked, problem: 'its arguments have to be an object' };
}

/** A request of this method for this target, whatever its arguments were. */
export function askedAgain(route: string, method: string, target: string | undefined): Asked {
  const params = target === undefined ? {} : { name: target, uri: target };
  const { arguments: _, ...operation } = operationOf({ jsonrpc: '2.0', id: 0, method, params });
  return askedFor(route, operation, actionOf(method) ?? UNKNOWN_METHOD);
}

/** About the server as a whole. */
export function askedOfServer(route: string, action: string, isReadOnly = true): Asked {
  return { method: action, action, resource: { kind: 'server', name: route }, isReadOnly };
}

function askedFor(route: string, operation: Operation, action: string): Asked {
  const { method, kind, target, arguments: given } = operation;
  const name = kind === 'server' || target === undefined ? route : resourceName(route, target);
  return {
    method,
    action,
    resource: { kind, name },
    ...(target === undefined ? {} : { target }),
    ...(given === undefined ? {} : { arguments: given }),
    isReadOnly: READ_ONLY.has(method),
  };
}

/** Route names have no dot and no `*`; a `*` in a permission is a pattern, so one in a name is not left as it is. */
export const resourceName = (route: string, target: string): string =>
  `${route}.${target.replaceAll('*', '%2A')}`;

/** One action for each method: what could be taken for another's, dots above all, is percent-encoded. */
export function actionOf(method: string): string | undefined {
  if (method.length > MAX_ACTION_LENGTH) return undefined;
  const plain = /^[A-Za-z0-9_$/-]+$/u.test(method) ? method : encoded(method);
  const action = `context.${plain.replaceAll('/', '.')}`;
  return action.length > MAX_ACTION_LENGTH ? undefined : action;
}

const encoded = (text: string): string =>
  Array.from(Buffer.from(text, 'utf8'), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_$/-]/u.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
