/**
 * The name of a question: equal for equal facts, different for different ones, cheap for a message.
 *
 * Every part carries its length, so no choice of names makes two questions collide; nothing is sorted unless a request
 * brings attributes, environment or session, and nothing is hashed but arguments that spell long.
 */

import { sha256, toHex, utf8 } from '@sallyport/crypto';
import type { SeenArguments } from './arguments.ts';
import type { DecisionRequest, Principal } from './decision.ts';
import { canonicalJson, isJsonObject } from './json.ts';

/** A request with no more of its arguments than policy looks at. */
export type Question = Omit<DecisionRequest, 'arguments'> & { readonly arguments?: SeenArguments | 'any' };

const MAX_NAME_LENGTH = 1024;
const MAX_FACTORS = 32;
const MAX_FACTS_LENGTH = 32 * 1024;
/** 128 pointers with their values (roles.ts, arguments.ts). */
const MAX_ARGUMENTS_LENGTH = 192 * 1024;
/** Keys are kept by the ten thousand: a caller's long arguments must not be. */
const MAX_PLAIN_ARGUMENTS_LENGTH = 256;
const ABSENT = '-';

/** Principals that can no longer change, and what they contribute. */
const frozenPrincipals = new WeakMap<Principal, string>();

/**
 * Total: undefined when a member is missing or mistyped, a name is longer than 1024, or attributes, environment or
 * session nest deeper than 8 or spell longer than 32 KiB. So what has a key is bounded, and fit to be evaluated.
 */
export function decisionKey(request: Question): string | undefined {
  try {
    const { principal, action, resource, environment, session } = request;
    return (
      principalKey(principal) +
      part(action) +
      part(resource.kind) +
      part(resource.name) +
      (resource.tenant === undefined ? ABSENT : part(resource.tenant)) +
      (resource.attributes === undefined ? ABSENT : factsKey(resource.attributes)) +
      (environment === undefined ? ABSENT : factsKey(environment)) +
      (session === undefined ? ABSENT : factsKey(session)) +
      argumentsKey(request.arguments)
    );
  } catch {
    return undefined;
  }
}

function principalKey(principal: Principal): string {
  const known = frozenPrincipals.get(principal);
  if (known !== undefined) return known;
  const { id, tenant, method, assurance = 0, factors = [] } = principal;
  if (!Number.isFinite(assurance)) throw new RangeError('assurance');
  if (!Array.isArray(factors) || factors.length > MAX_FACTORS) throw new RangeError('factors');
  const head = `${part(id)}${part(tenant)}${part(method)}${String(assurance)};${String(factors.length)};`;
  const key = factors.reduce<string>((text, factor: unknown) => text + part(factor), head);
  const isFrozen =
    Object.isFrozen(principal) && (principal.factors === undefined || Object.isFrozen(principal.factors));
  if (isFrozen) frozenPrincipals.set(principal, key);
  return key;
}

function part(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_NAME_LENGTH) throw new RangeError('name');
  return `${String(value.length)}:${value}`;
}

/** Three forms that cannot be taken for one another: they begin with `-`, `*`, and `#` or a digit. */
function argumentsKey(seen: SeenArguments | 'any' | undefined): string {
  if (seen === undefined) return ABSENT;
  if (seen === 'any') return '*';
  const text = canonicalJson(seen, MAX_ARGUMENTS_LENGTH);
  if (text === undefined) throw new RangeError('arguments');
  return text.length <= MAX_PLAIN_ARGUMENTS_LENGTH
    ? `${String(text.length)}:${text}`
    : `#${toHex(sha256(utf8(text)))}`;
}

function factsKey(value: unknown): string {
  const text = isJsonObject(value) ? canonicalJson(value, MAX_FACTS_LENGTH) : undefined;
  if (text === undefined) throw new RangeError('facts');
  return `${String(text.length)}:${text}`;
}
