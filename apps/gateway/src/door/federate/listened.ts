/** `subscriptions/listen` at all servers as one (2026-07-28 "Subscriptions"). */
import {
  INVALID_PARAMS,
  errorResponse,
  isNotification,
  isResponse,
  member,
  META,
  objectMember,
  resultResponse,
  withMeta,
  type JsonObject,
  type Notification,
  type Request,
} from '@sallyport/model-context';
import type { MessageCall, ServerEvent } from '../ports.ts';
import { isChange } from '../translate/capabilities.ts';
import { pause } from '../translate/time.ts';
import type { Directory } from './directory.ts';
import type { FederateLimits, FederatePorts } from './ports.ts';
import type { Reach } from './reach.ts';
import { together, type Heard } from './streams.ts';

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

/**
 * The acknowledgement first and once, with what the servers agreed to together, at the latest after `listDeadlineMs`;
 * then changes, each stamped with the id of `request`; the result when all streams have ended. Servers that fail are
 * reported and left out.
 */
export async function* listened(
  call: MessageCall,
  request: Request,
  reach: Reach,
  {
    ports,
    limits,
    directory,
  }: { readonly ports: FederatePorts; readonly limits: FederateLimits; readonly directory: Directory },
): AsyncGenerator<ServerEvent> {
  const filter = objectMember(request.params, 'notifications');
  if (filter === undefined) {
    yield { message: errorResponse(request.id, INVALID_PARAMS, '`notifications` must be a filter.') };
    return;
  }
  const filters = await filtersOf(call, reach, directory, filter);
  const waiting = new Set(filters.keys());
  const agreed: JsonObject[] = [];
  const early: Notification[] = [];
  const failed = (route: string, cause: unknown): void => {
    waiting.delete(route);
    ports.leftOut({ route, method: request.method, cause });
  };
  const sources = [...filters].map(([route, notifications]) => ({
    route,
    open: async (signal: AbortSignal) =>
      reach.send(route, { ...request, params: { ...request.params, notifications } }, signal),
  }));
  const stamped = (notification: Notification): ServerEvent => ({
    message: withMeta(notification, { [META.subscriptionId]: request.id }),
  });

  const heard = together(sources, call.signal, failed);
  const late = pause(ports, limits.listDeadlineMs, call.signal).then(() => 'late' as const);
  try {
    // The acknowledgement comes first and once: when every server has sent its own, or after a while.
    let next = heard.next();
    while (waiting.size > 0) {
      const one = await Promise.race([next, late]);
      if (one === 'late') {
        for (const route of waiting)
          ports.leftOut({ route, method: request.method, cause: new Error('too slow') });
        break;
      }
      if (one.done === true) break;
      collect(one.value, waiting, agreed, early);
      next = heard.next();
    }
    yield stamped({
      jsonrpc: '2.0',
      method: ACKNOWLEDGED,
      params: { notifications: unionOfFilters(agreed) },
    });
    for (const notification of early) yield stamped(notification);
    for (let one = await next; one.done !== true; one = await heard.next()) {
      const { message } = one.value;
      if (!isNotification(message) || !isChange(message.method)) continue;
      directory.changed();
      yield stamped(message);
    }
    yield {
      message: resultResponse(request.id, {
        resultType: 'complete',
        _meta: { [META.subscriptionId]: request.id },
      }),
    };
  } finally {
    await heard.return(undefined);
  }
}

const collect = (
  { route, message }: Heard,
  waiting: Set<string>,
  agreed: JsonObject[],
  early: Notification[],
): void => {
  if (isResponse(message)) waiting.delete(route);
  else if (message.method === ACKNOWLEDGED) {
    if (waiting.delete(route)) agreed.push(objectMember(message.params, 'notifications') ?? {});
  } else if (isNotification(message) && isChange(message.method)) early.push(message);
};

/** Lists are asked of all; each resource only of the server that has it. */
async function filtersOf(
  call: MessageCall,
  reach: Reach,
  directory: Directory,
  filter: JsonObject,
): Promise<ReadonlyMap<string, JsonObject>> {
  const { resourceSubscriptions: _, ...lists } = filter;
  const byRoute = new Map<string, string[]>();
  const uris = member(filter, 'resourceSubscriptions');
  for (const uri of Array.isArray(uris) ? uris : []) {
    const route = typeof uri === 'string' ? await directory.located(call, reach, uri) : undefined;
    if (route !== undefined) byRoute.set(route, [...(byRoute.get(route) ?? []), uri as string]);
  }
  return new Map(
    reach.routes.flatMap((route) => {
      const own = byRoute.get(route);
      const wanted = own === undefined ? lists : { ...lists, resourceSubscriptions: own };
      return Object.keys(wanted).length === 0 ? [] : [[route, wanted] as const];
    }),
  );
}

const unionOfFilters = (all: readonly JsonObject[]): JsonObject => {
  const uris = all.flatMap((one) => (one['resourceSubscriptions'] as readonly string[] | undefined) ?? []);
  const lists = all.flatMap((one) => Object.entries(one).filter(([, value]) => value === true));
  return { ...Object.fromEntries(lists), ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }) };
};
