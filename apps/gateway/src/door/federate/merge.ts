/** What several servers say about themselves, as one. Pure. */
import {
  isObject,
  member,
  META,
  objectMember,
  stringMember,
  type JsonObject,
  type JsonValue,
} from '@sallyport/model-context';

/** A feature that one has, all have together; settings of the first server stay where two disagree. */
export function unionOf(all: readonly JsonObject[]): JsonObject {
  const union: Record<string, JsonValue> = {};
  for (const capabilities of all) {
    for (const [name, value] of Object.entries(capabilities)) {
      const known = Object.hasOwn(union, name) ? union[name] : undefined;
      if (known === undefined) union[name] = value;
      else if (isObject(known) && isObject(value)) union[name] = unionOf([known, value]);
      else if (value === true) union[name] = true;
    }
  }
  return { ...union };
}

/** Each with the name of its route before it; undefined when nobody has any. */
export const instructionsOf = (
  all: readonly { readonly route: string; readonly result: JsonObject }[],
): string | undefined => {
  const told = all.flatMap(({ route, result }) => {
    const text = stringMember(result, 'instructions')?.trim();
    return text === undefined || text === '' ? [] : [`${route}: ${text}`];
  });
  return told.length === 0 ? undefined : told.join('\n\n');
};

/** The shortest, so that nothing is kept longer than its own server says. */
export const ttlOf = (results: readonly JsonObject[]): number =>
  results.reduce(
    (least, result) => {
      const ttl = member(result, 'ttlMs');
      return Math.min(least, typeof ttl === 'number' && ttl > 0 ? ttl : 0);
    },
    results.length === 0 ? 0 : Number.MAX_SAFE_INTEGER,
  );

/** 2026-07-28: what every result has, for results that are put together here. */
export const completeResult = (
  result: JsonObject,
  parts: readonly JsonObject[],
  implementation: JsonObject,
  isStateless: boolean,
): JsonObject =>
  isStateless
    ? {
        ...result,
        resultType: 'complete',
        ttlMs: ttlOf(parts),
        // Which servers and tools a caller sees depends on the caller.
        cacheScope: 'private',
        _meta: { [META.serverInfo]: implementation },
      }
    : result;

/** Of an answer to `initialize` or `server/discover`; none where it says nothing. */
export const capabilitiesOf = (result: JsonObject): JsonObject => objectMember(result, 'capabilities') ?? {};
