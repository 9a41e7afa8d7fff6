/** What each side says it can do, and what a server's request needs of a client. */
import {
  isObject,
  member,
  objectMember,
  paramsOf,
  stringMember,
  without,
  type JsonObject,
  type Request,
} from '@sallyport/model-context';

/** 2025-11-25 tasks are another thing than the extension of 2026-07-28; neither is translated. */
export const clientCapabilitiesForSession = (capabilities: JsonObject): JsonObject =>
  without(capabilities, 'tasks');

/** What a session client declared, without what 2026-07-28 does not have. */
export const clientCapabilitiesForStateless = (capabilities: JsonObject): JsonObject => {
  const kept = without(capabilities, 'tasks');
  // `roots.listChanged` announces a notification that 2026-07-28 does not have.
  return isObject(kept['roots']) ? { ...kept, roots: {} } : kept;
};

/** What a server of either era declares, without `tasks`, which are not translated. */
export const serverCapabilities = (capabilities: JsonObject): JsonObject => without(capabilities, 'tasks');

/** Requests of a server that a client may be asked to answer, in both eras. */
export const INPUT_METHODS: ReadonlySet<string> = new Set([
  'elicitation/create',
  'sampling/createMessage',
  'roots/list',
]);

/** Requests during which a server may ask. Source: 2026-07-28 "Multi Round-Trip Requests", "Supported Requests". */
export const ASKING_METHODS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** What the client would have to have declared, in the form of `data.requiredCapabilities`; undefined: it has. */
export function missingCapability(
  request: Pick<Request, 'method' | 'params'>,
  declared: JsonObject,
): JsonObject | undefined {
  const params = isObject(request.params) ? request.params : undefined;
  switch (request.method) {
    case 'roots/list':
      return objectMember(declared, 'roots') === undefined ? { roots: {} } : undefined;
    case 'sampling/createMessage': {
      const sampling = objectMember(declared, 'sampling');
      const needsTools = member(params, 'tools') !== undefined || member(params, 'toolChoice') !== undefined;
      if (needsTools && objectMember(sampling, 'tools') === undefined) return { sampling: { tools: {} } };
      return sampling === undefined ? { sampling: {} } : undefined;
    }
    case 'elicitation/create': {
      const elicitation = objectMember(declared, 'elicitation');
      const mode = stringMember(params, 'mode') ?? 'form';
      if (elicitation === undefined) return { elicitation: { [mode]: {} } };
      // An empty object means form (2026-07-28 "Elicitation", "Capabilities").
      const hasForm = member(elicitation, 'form') !== undefined || member(elicitation, 'url') === undefined;
      const has = mode === 'url' ? member(elicitation, 'url') !== undefined : hasForm;
      return has ? undefined : { elicitation: { [mode]: {} } };
    }
    default:
      return undefined;
  }
}

/** The part of a `subscriptions/listen` filter that a server of these capabilities can honour. */
export function honoured(filter: JsonObject, capabilities: JsonObject, maxSubscriptions: number): JsonObject {
  const can = (feature: string, ability: string): boolean =>
    member(objectMember(capabilities, feature), ability) === true;
  const agreed: Record<string, JsonObject[string]> = {};
  for (const [name, feature] of LIST_CHANGES) {
    if (member(filter, name) === true && can(feature, 'listChanged')) agreed[name] = true;
  }
  const uris = member(filter, 'resourceSubscriptions');
  if (Array.isArray(uris) && uris.length > 0 && can('resources', 'subscribe')) {
    const distinct = new Set(uris.filter((uri): uri is string => typeof uri === 'string'));
    agreed['resourceSubscriptions'] = [...distinct].slice(0, maxSubscriptions);
  }
  return agreed;
}

export const LIST_CHANGES = [
  ['toolsListChanged', 'tools'],
  ['promptsListChanged', 'prompts'],
  ['resourcesListChanged', 'resources'],
] as const;

/** Whether a filter (agreed) lets a notification through. */
export function passes(
  agreed: JsonObject,
  notification: { readonly method: string; readonly params?: JsonObject },
): boolean {
  if (notification.method === 'notifications/resources/updated') {
    const uri = stringMember(paramsOf({ jsonrpc: '2.0', ...notification }), 'uri');
    const uris = member(agreed, 'resourceSubscriptions');
    return uri !== undefined && Array.isArray(uris) && uris.some((one) => covers(one, uri));
  }
  const listed = LIST_CHANGES.find(
    ([, feature]) => notification.method === `notifications/${feature}/list_changed`,
  );
  return listed !== undefined && member(agreed, listed[0]) === true;
}

/** An update may be about a part of what was subscribed to (2025-11-25 "Resources", "Subscriptions"). */
const covers = (subscribed: unknown, uri: string): boolean =>
  typeof subscribed === 'string' &&
  (uri === subscribed || uri.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`));

/** A notification that something listed or subscribed to has changed. */
export const isChange = (method: string): boolean =>
  method === 'notifications/resources/updated' ||
  LIST_CHANGES.some(([, feature]) => method === `notifications/${feature}/list_changed`);
