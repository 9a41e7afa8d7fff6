/** Which server a request is for, and the request as that server knows it. */
import {
  INVALID_PARAMS,
  METHOD_NOT_FOUND,
  objectMember,
  stringMember,
  type JsonObject,
  type Request,
} from '@sallyport/model-context';
import type { Call } from '../ports.ts';
import type { Directory } from './directory.ts';
import type { FederateRefusal } from './ports.ts';
import type { Reach } from './reach.ts';

export type Routed =
  | { readonly route: string; readonly request: Request }
  | {
      readonly code: number;
      readonly message: string;
      readonly status: number;
      readonly reason: FederateRefusal;
    };

const unknown = (reason: FederateRefusal, message: string): Routed => ({
  code: INVALID_PARAMS,
  message,
  status: 200,
  reason,
});

/**
 * The server of one request, under the name that it has there; or the error to answer with. Waits for lists where the
 * name is not known yet.
 */
export async function routed(
  call: Call,
  request: Request,
  reach: Reach,
  directory: Directory,
): Promise<Routed> {
  switch (request.method) {
    case 'tools/call':
      return named(call, request, reach, directory, 'tools/list', unknown('tool_unknown', 'Unknown tool'));
    case 'prompts/get':
      return named(
        call,
        request,
        reach,
        directory,
        'prompts/list',
        unknown('prompt_unknown', 'Unknown prompt'),
      );
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      // 2026-07-28 has `subscriptions/listen` instead.
      return reach.isStateless ? methodUnknown(reach) : located(call, request, reach, directory);
    case 'resources/read':
      return located(call, request, reach, directory);
    case 'completion/complete':
      return completed(call, request, reach, directory);
    default:
      return methodUnknown(reach);
  }
}

/** 2026-07-28 "Streamable HTTP": 404 for a method that is not there. */
const methodUnknown = ({ isStateless }: Reach): Routed => ({
  code: METHOD_NOT_FOUND,
  message: 'Method not found',
  status: isStateless ? 404 : 200,
  reason: 'method_unknown',
});

async function located(call: Call, request: Request, reach: Reach, directory: Directory): Promise<Routed> {
  const uri = stringMember(request.params, 'uri');
  const route = uri === undefined ? undefined : await directory.located(call, reach, uri);
  return route === undefined ? unknown('resource_unknown', 'Resource not found') : { route, request };
}

async function named(
  call: Call,
  request: Request,
  reach: Reach,
  directory: Directory,
  method: 'tools/list' | 'prompts/list',
  problem: Routed,
): Promise<Routed> {
  const name = stringMember(request.params, 'name');
  const owned = name === undefined ? undefined : await directory.named(call, reach, method, name);
  if (owned === undefined) return problem;
  return { route: owned.route, request: { ...request, params: { ...request.params, name: owned.name } } };
}

async function completed(call: Call, request: Request, reach: Reach, directory: Directory): Promise<Routed> {
  const reference: JsonObject = objectMember(request.params, 'ref') ?? {};
  if (stringMember(reference, 'type') === 'ref/prompt') {
    const name = stringMember(reference, 'name');
    const owned = name === undefined ? undefined : await directory.named(call, reach, 'prompts/list', name);
    if (owned === undefined) return unknown('prompt_unknown', 'Unknown prompt');
    return {
      route: owned.route,
      request: { ...request, params: { ...request.params, ref: { ...reference, name: owned.name } } },
    };
  }
  const uri = stringMember(reference, 'uri');
  const route =
    uri === undefined
      ? undefined
      : ((await directory.templated(call, reach, uri)) ?? (await directory.located(call, reach, uri)));
  return route === undefined ? unknown('resource_unknown', 'Unknown resource template') : { route, request };
}
