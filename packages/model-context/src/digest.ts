/** Digests that policy pins and records carry: SHA-256 of the canonical form (RFC 8785), lower-case hex. */
import { hash } from 'node:crypto';
import serialize from 'canonicalize';
import { isObject, member } from './json.ts';
import type { JsonArray, JsonObject, JsonValue } from './message.ts';

/** What a pin holds a tool to; `icons`, `_meta` and what later revisions add are free to change. */
const PINNED = ['name', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'] as const;

/** Of the definition as listed under the server's own name; absent members stay absent. */
export const toolDigest = (definition: JsonObject): string =>
  digestOf(
    Object.fromEntries(
      PINNED.flatMap((name) => {
        const value = member(definition, name);
        return value === undefined ? [] : [[name, value] as const];
      }),
    ),
  );

/** Of a call's `arguments`; a call without them counts as `{}`. */
export const argumentsDigest = (value: JsonValue | undefined): string =>
  digestOf(value === undefined ? {} : value);

/** SHA-256 of the canonical form, 64 characters of lower-case hex. Total. */
export const digestOf = (value: JsonValue): string => hash('sha256', canonicalForm(value), 'hex');

/**
 * RFC 8785. Strings with a lone surrogate have no canonical form there (section 3.2.2.2); they keep their escape here, which no
 * canonical form contains, so that the digest stays total and two values never share a form.
 */
export const canonicalForm = (value: JsonValue): string => {
  try {
    return serialize(value) ?? 'null';
  } catch {
    return escapedForm(value);
  }
};

const escapedForm = (value: JsonValue): string => {
  if (Array.isArray(value)) return `[${(value as JsonArray).map(escapedForm).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${escapedForm(value[name] ?? null)}`).join(',')}}`;
};
