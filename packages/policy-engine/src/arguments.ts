/**
 * What policy sees of a call's arguments: the values at the paths that some role mentions, and nothing else. So a
 * decision stays small enough to be kept, and no argument that policy is not about gets anywhere near it.
 */

import type { JsonObject } from './json.ts';
import { pointerTokens } from './pointer.ts';
import type { RoleTable } from './roles.ts';

/** JSON pointers (RFC 6901) as written, each once, sorted. */
export type ArgumentPaths = readonly ArgumentPath[];
type ArgumentPath = { readonly pointer: string; readonly tokens: readonly string[] };

type Scalar = string | number | boolean | null;

/** By pointer. `{}`: something is there that no condition can be satisfied by. Without an entry: nothing is there. */
export type SeenArguments = Readonly<Record<string, { readonly value?: Scalar }>>;

/** UTF-16 units of a value in canonical form. Longer ones satisfy no condition. */
const MAX_VALUE_LENGTH = 1024;

/** The paths that a table's conditions look at. */
export function argumentPathsOf(roles: RoleTable): ArgumentPaths {
  const pointers = new Set<string>();
  for (const { permissions } of Object.values(roles)) {
    for (const { when = [] } of permissions) for (const { argument } of when) pointers.add(argument);
  }
  return [...pointers].sort().map((pointer) => ({ pointer, tokens: pointerTokens(pointer) }));
}

/** Throws RangeError when `source` is neither an object nor `'any'`. Never reads inherited members. */
export function seenArguments(source: unknown, paths: ArgumentPaths): SeenArguments | 'any' {
  if (source === 'any') return 'any';
  if (typeof source !== 'object' || source === null || Array.isArray(source))
    throw new RangeError('arguments');
  const seen: [string, { readonly value?: Scalar }][] = [];
  for (const { pointer, tokens } of paths) {
    const found = resolve(source as JsonObject, tokens);
    if (found !== undefined) seen.push([pointer, isReadable(found) ? { value: found } : {}]);
  }
  return Object.fromEntries(seen);
}

/** RFC 6901 section 4; undefined where the path ends before the pointer does. */
function resolve(source: JsonObject, tokens: readonly string[]): unknown {
  let value: unknown = source;
  for (const token of tokens) {
    if (typeof value !== 'object' || value === null) return undefined;
    if (Array.isArray(value) && !ARRAY_INDEX.test(token)) return undefined;
    if (!Object.hasOwn(value, token)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[token];
  }
  return value;
}

const ARRAY_INDEX = /^(?:0|[1-9][0-9]*)$/;

/**
 * Whether the value means the same here, in the module and at whoever is called. A number beyond 2^53 may be another one
 * to a reader with more digits; a lone surrogate has no UTF-8; a string ends early at U+0000 for some.
 */
function isReadable(value: unknown): value is Scalar {
  switch (typeof value) {
    case 'string':
      return (
        value.length <= MAX_VALUE_LENGTH &&
        value.isWellFormed() &&
        !value.includes('\0') &&
        JSON.stringify(value).length <= MAX_VALUE_LENGTH
      );
    case 'number':
      return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
    default:
      return typeof value === 'boolean' || value === null;
  }
}
