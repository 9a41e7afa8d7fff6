/**
 * What a caller has been listed, so that a name or a URI leads to its server. Kept for a while for each caller; a name that is
 * not in it makes it be asked for again. It only says where to: whether a caller may is `guarded/`'s at every server.
 */
import {
  isObject,
  stringMember,
  type JsonObject,
  type JsonValue,
  type Request,
} from '@sallyport/model-context';
import type { Call } from '../ports.ts';
import { prefixed, publicNames, type Owned } from './names.ts';
import type { FederateLimits, FederatePorts } from './ports.ts';
import { askAll, resultOf, within, type Reach, type SlowRoutes } from './reach.ts';
import { couldComeFrom } from './uri-template.ts';

export type ListMethod = 'tools/list' | 'prompts/list' | 'resources/list' | 'resources/templates/list';
/** Which member of a list's result has the items, and which of an item tells it from others. */
export const LISTS: Readonly<Record<ListMethod, { readonly items: string; readonly key: string }>> = {
  'tools/list': { items: 'tools', key: 'name' },
  'prompts/list': { items: 'prompts', key: 'name' },
  'resources/list': { items: 'resources', key: 'uri' },
  'resources/templates/list': { items: 'resourceTemplates', key: 'uriTemplate' },
};
/** One of the four lists that are merged. */
export const isList = (method: string): method is ListMethod => Object.hasOwn(LISTS, method);

export type Merged = {
  /** Under their public names, servers in configured order, each in its own order. */
  readonly items: readonly JsonObject[];
  /** One first result of each server that answered. */
  readonly parts: readonly JsonObject[];
};
export type Directory = {
  /** Asks all servers. */
  list(call: Call, reach: Reach, method: ListMethod): Promise<Merged>;
  /** The server's own name for a public one; `<route>__<name>` always leads there. Undefined: nobody has it. */
  named(
    call: Call,
    reach: Reach,
    method: 'tools/list' | 'prompts/list',
    name: string,
  ): Promise<Owned | undefined>;
  /** The server of a URI: of the first that lists it, then the first with a template for it, then the only one with resources. */
  located(call: Call, reach: Reach, uri: string): Promise<string | undefined>;
  /** The server of a template, as written. */
  templated(call: Call, reach: Reach, template: string): Promise<string | undefined>;
  /** Something changed: lists are asked for again. */
  changed(): void;
};

type Known = {
  /** Keys by route, also of servers that failed since: their names still count as taken. */
  readonly keys: Map<string, readonly string[]>;
  readonly askedAtMs: number;
  /** A server says that its list is another now. */
  isChanged: boolean;
};

/** A name that nobody has makes lists be asked for at most so often. */
const MISS_MS = 1_000;

/**
 * For one caller: what another is listed is never looked at here. `slow` is shared, as a server is slow for everybody.
 * Methods reject `UpstreamFailure` only where the call itself is over.
 */
export function createDirectory(
  ports: FederatePorts,
  limits: FederateLimits,
  slow: SlowRoutes = new Map(),
): Directory {
  const known = new Map<ListMethod, Known>();

  /** Public names by what they lead to, for one set of keys: looked up at every call, made once. */
  const indices = new WeakMap<
    Known['keys'],
    { readonly routes: string; readonly owners: ReadonlyMap<string, Owned> }
  >();

  async function all(reach: Reach, route: string, method: ListMethod, signal: AbortSignal) {
    const items: JsonObject[] = [];
    let first: JsonObject | undefined;
    let cursor: JsonValue | undefined;
    for (let page = 0; page < limits.maxPages; page += 1) {
      const request: Request = {
        jsonrpc: '2.0',
        id: `list-${page}`,
        method,
        ...(cursor === undefined ? {} : { params: { cursor } }),
      };
      const result = await resultOf(reach, route, request, signal);
      first ??= result;
      const listed = result[LISTS[method].items];
      if (Array.isArray(listed)) items.push(...(listed as readonly JsonValue[]).filter(isObject));
      cursor = result['nextCursor'];
      if (typeof cursor !== 'string' || items.length >= limits.maxItems) break;
    }
    return { items: items.slice(0, limits.maxItems), first: first ?? {} };
  }

  async function list(call: Call, reach: Reach, method: ListMethod): Promise<Merged> {
    const { key } = LISTS[method];
    const before = known.get(method)?.keys;
    const answers = await askAll(reach, call, method, (route, signal) => all(reach, route, method, signal), {
      ports,
      limits,
      slow,
    });
    const byRoute = new Map(answers.map(({ route, answer }) => [route, answer]));
    const keys = new Map<string, readonly string[]>();
    const entries: { readonly owned: Owned; readonly item: JsonObject | undefined }[] = [];
    for (const route of reach.routes) {
      const items = byRoute.get(route)?.items;
      const names = items?.map((item) => stringMember(item, key) ?? '') ?? before?.get(route) ?? [];
      keys.set(route, [...new Set(names)]);
      const seen = new Set<string>();
      for (const [at, name] of names.entries()) {
        if (name === '' || seen.has(name)) continue;
        seen.add(name);
        entries.push({ owned: { route, name }, item: items?.[at] });
      }
    }
    known.set(method, { keys, askedAtMs: ports.now(), isChanged: false });
    return { items: merged(method, reach.routes, entries), parts: answers.map(({ answer }) => answer.first) };
  }

  const merged = (
    method: ListMethod,
    routes: readonly string[],
    entries: readonly { readonly owned: Owned; readonly item: JsonObject | undefined }[],
  ): readonly JsonObject[] => {
    const isNamed = LISTS[method].key === 'name';
    const names = isNamed
      ? publicNames(
          entries.map(({ owned }) => owned),
          routes,
        )
      : entries.map(({ owned }) => owned.name);
    const taken = new Set<string>();
    return entries.flatMap(({ item }, at) => {
      const name = names[at];
      if (name === undefined || item === undefined || taken.has(name)) return [];
      taken.add(name);
      return [isNamed ? { ...item, name } : item];
    });
  };

  /** One at a time for each list: who needs the same waits for the same. */
  const asking = new Map<ListMethod, Promise<unknown>>();
  async function asked(call: Call, reach: Reach, method: ListMethod): Promise<void> {
    // It outlives the call that needed it first; every server has its deadline.
    const { signal: _, ...own } = call;
    const running =
      asking.get(method) ??
      list({ ...own, signal: new AbortController().signal }, reach, method).finally(() =>
        asking.delete(method),
      );
    asking.set(method, running);
    // Every server's own deadline comes first.
    using waiting = within(call, 2 * limits.listDeadlineMs, ports);
    await Promise.race([running, waiting.late]).catch((error: unknown) => {
      if (call.signal.aborted) throw error;
    });
  }

  /**
   * Keys by route. What is not known, or `isMissing` something, is asked for and waited for. What is only old is asked for while the
   * call goes on: a server that hangs, or that says all the time that its list has changed, must not slow calls of another.
   */
  async function keysOf(
    call: Call,
    reach: Reach,
    method: ListMethod,
    isMissing: (keys: Known['keys']) => boolean,
  ) {
    const held = known.get(method);
    const age = held === undefined ? Infinity : ports.now() - held.askedAtMs;
    const isOld = held === undefined || held.isChanged || age >= limits.directoryMs;
    const lacks = held === undefined || isMissing(held.keys);
    const isAskedAgain = held === undefined || ((isOld || lacks) && age >= MISS_MS);
    if (isAskedAgain) {
      const answered = asked(call, reach, method);
      if (lacks) await answered;
      else answered.catch(() => undefined);
    }
    return known.get(method)?.keys ?? new Map<string, readonly string[]>();
  }

  const find = (keys: Known['keys'], reach: Reach, name: string): Owned | undefined => {
    const routes = reach.routes.join();
    const held = indices.get(keys);
    const index = held?.routes === routes ? held : { routes, owners: ownersOf(keys, reach.routes) };
    indices.set(keys, index);
    return index.owners.get(name);
  };
  const holder = (keys: Known['keys'], reach: Reach, test: (key: string) => boolean): string | undefined =>
    reach.routes.find((route) => keys.get(route)?.some(test) === true);

  return {
    list,
    async named(call, reach, method, name) {
      const keys = await keysOf(call, reach, method, (held) => find(held, reach, name) === undefined);
      return find(keys, reach, name);
    },
    async located(call, reach, uri) {
      const isIt = (key: string): boolean => key === uri;
      const listed = await keysOf(call, reach, 'resources/list', () => false);
      const route = holder(listed, reach, isIt);
      if (route !== undefined) return route;
      const templates = await keysOf(call, reach, 'resources/templates/list', () => false);
      const fitting = holder(templates, reach, (template) => couldComeFrom(template, uri));
      if (fitting !== undefined) return fitting;
      const again = await keysOf(
        call,
        reach,
        'resources/list',
        (held) => holder(held, reach, isIt) === undefined,
      );
      const having = reach.routes.filter(
        (one) => (again.get(one)?.length ?? 0) + (templates.get(one)?.length ?? 0) > 0,
      );
      return holder(again, reach, isIt) ?? (having.length === 1 ? having[0] : undefined);
    },
    async templated(call, reach, template) {
      const isIt = (key: string): boolean => key === template;
      const keys = await keysOf(
        call,
        reach,
        'resources/templates/list',
        (held) => holder(held, reach, isIt) === undefined,
      );
      return holder(keys, reach, isIt);
    },
    changed() {
      for (const held of known.values()) held.isChanged = true;
    },
  };
}

function ownersOf(keys: Known['keys'], routes: readonly string[]): ReadonlyMap<string, Owned> {
  const every = routes.flatMap((route) => (keys.get(route) ?? []).map((name): Owned => ({ route, name })));
  // Always reachable by the long name as well; a name that is really used goes first.
  const owners = new Map(every.map((owned) => [prefixed(owned), owned]));
  for (const [at, name] of publicNames(every, routes).entries()) {
    const owned = every[at];
    if (name !== undefined && owned !== undefined) owners.set(name, owned);
  }
  return owners;
}
