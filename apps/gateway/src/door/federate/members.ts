/** What both eras have in common at the federated door: routes, lists, and passing a request on to the one server it is for. */
import {
  eraOf,
  INVALID_PARAMS,
  resultResponse,
  type JsonObject,
  type Request,
} from '@sallyport/model-context';
import {
  UpstreamFailure,
  type Call,
  type Caller,
  type Exchange,
  type MessageCall,
  type ModelContextServer,
} from '../ports.ts';
import { answer, refusal } from '../translate/exchanges.ts';
import { createDirectory, LISTS, type Directory, type ListMethod } from './directory.ts';
import { capabilitiesOf, completeResult, instructionsOf, unionOf } from './merge.ts';
import { FEDERATE_LIMITS, type FederateLimits, type FederatePorts } from './ports.ts';
import type { Answered, Reach, SlowRoutes } from './reach.ts';
import { routed } from './routed.ts';

export type Members = {
  readonly servers: ReadonlyMap<string, ModelContextServer>;
  readonly ports: FederatePorts;
  readonly limits: FederateLimits;
  readonly slow: SlowRoutes;
  /** Routes that the caller may use, in configured order. */
  routesOf(caller: Caller): Promise<readonly string[]>;
  directoryOf(call: Call): Directory;
  list(call: Call, request: Request, reach: Reach, method: ListMethod): Promise<Exchange>;
  /** `follow` sees what is asked of which route. */
  passOn(call: MessageCall, request: Request, reach: Reach, follow?: Follow): Promise<Exchange>;
};
export type Follow = (route: string, asked: () => Promise<Exchange>) => Promise<Exchange>;

/** `servers` in configured order, which is the order of lists and of who goes first for a name. */
export function createMembers(
  servers: ReadonlyMap<string, ModelContextServer>,
  ports: FederatePorts,
): Members {
  const limits = { ...FEDERATE_LIMITS, ...ports.limits };
  const directories = new Map<string, Directory>();
  const slow: SlowRoutes = new Map();

  const routesOf = async (caller: Caller): Promise<readonly string[]> => {
    const all = [...servers.keys()];
    const may = await Promise.all(all.map(async (route) => ports.mayUse?.(caller, route) ?? true));
    return all.filter((_, at) => may[at] === true);
  };
  /** Of one caller through one client: what it is listed may differ from another's. */
  const directoryOf = (call: Call): Directory => {
    const { principal, clientId, scopes } = call.caller;
    const key = JSON.stringify([
      principal.tenant,
      principal.id,
      clientId,
      [...scopes].toSorted(),
      eraOf(call.revision),
    ]);
    const directory = directories.get(key) ?? createDirectory(ports, limits, slow);
    directories.delete(key);
    directories.set(key, directory);
    if (directories.size > limits.maxDirectories)
      for (const oldest of directories.keys()) if (directories.delete(oldest)) break;
    return directory;
  };

  async function list(call: Call, request: Request, reach: Reach, method: ListMethod): Promise<Exchange> {
    // Everything is on the first page: names depend on all of it.
    if (request.params?.['cursor'] !== undefined) {
      await ports.refused?.(call, 'send', 'cursor_invalid');
      return refusal(request.id, INVALID_PARAMS, 'There is no such page.');
    }
    const { items, parts } = await directoryOf(call).list(call, reach, method);
    const result = completeResult(
      { [LISTS[method].items]: items },
      parts,
      ports.implementation,
      reach.isStateless,
    );
    return answer(resultResponse(request.id, result));
  }

  /** One that a single server answers: sent there under its own name, and answered as it answers. */
  async function passOn(
    call: MessageCall,
    request: Request,
    reach: Reach,
    follow: Follow = async (_, asked) => asked(),
  ): Promise<Exchange> {
    const target = await routed(call, request, reach, directoryOf(call));
    if (!('route' in target)) {
      await ports.refused?.(call, 'send', target.reason);
      return refusal(request.id, target.code, target.message, { status: target.status });
    }
    const asked = async (): Promise<Exchange> => reach.send(target.route, target.request, call.signal);
    const { sessionId: _, ...exchange } = await follow(target.route, asked);
    return exchange;
  }

  return { servers, ports, limits, slow, routesOf, directoryOf, list, passOn };
}

/** What servers say about themselves, together. */
export const merged = (answers: readonly Answered[]) => {
  const instructions = instructionsOf(answers);
  return {
    capabilities: unionOf(answers.map(({ result }) => capabilitiesOf(result))),
    ...(instructions === undefined ? {} : { instructions }),
  };
};
/** Throws `UpstreamFailure` when none of them answered. */
export const answeredBy = (
  answers: readonly { readonly route: string; readonly answer: JsonObject }[],
  routes: readonly string[],
) => {
  if (answers.length === 0 && routes.length > 0)
    throw new UpstreamFailure('unreachable', 'No server answers.');
  return answers.map(({ route, answer: result }): Answered => ({ route, result }));
};
