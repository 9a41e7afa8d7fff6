/** One digest for everything of a tool that a model or a client acts on. */

import { sha256, toHex, utf8 } from '@sallyport/crypto';
import { canonicalJson, isJsonObject } from './json.ts';

/** The members that are pinned; others (`_meta`, `icons`) say nothing about what the tool does. */
const PINNED_MEMBERS = [
  'name',
  'title',
  'description',
  'inputSchema',
  'outputSchema',
  'annotations',
] as const;

/** A schema may nest as deep as a message may. */
const MAX_DEPTH = 64;

/** UTF-16 units of the canonical form of what is pinned. */
export const MAX_DEFINITION_LENGTH = 64 * 1024;

/**
 * The part of a tool definition that is pinned, in canonical form (RFC 8785); undefined when it is no object, has no
 * name, is no plain JSON, or is longer than 64 Ki characters. Total.
 */
export function pinnedDefinition(definition: unknown): string | undefined {
  if (!isJsonObject(definition) || typeof definition['name'] !== 'string') return undefined;
  const pinned = Object.fromEntries(
    PINNED_MEMBERS.filter((member) => Object.hasOwn(definition, member)).map((member) => [
      member,
      definition[member],
    ]),
  );
  const text = canonicalJson(pinned, MAX_DEFINITION_LENGTH, MAX_DEPTH);
  // RFC 8785 section 3.2.2.2: a lone surrogate is an error; spelled as an escape it would survive here.
  return text === undefined || LONE_SURROGATE.test(text) ? undefined : text;
}

const LONE_SURROGATE = /\\ud[89a-f][0-9a-f]{2}/;

/** SHA-256 of `pinnedDefinition`, hex; undefined where there is none, and then the tool can be neither pinned nor shown. */
export function toolDigest(definition: unknown): string | undefined {
  const text = pinnedDefinition(definition);
  return text === undefined ? undefined : toHex(sha256(utf8(text)));
}
