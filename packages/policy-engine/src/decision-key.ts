/**
 * The name of a question: equal for equal facts, different for different ones, cheap for a message.
 *
 * Every part carries its length, so no choice of names makes two questions collide; nothing is hashed or sorted unless
 * a request brings attributes, environment or session.
 */

import type { DecisionRequest, Principal } from './decision.ts';
import { canonicalJson, isJsonObject } from './json.ts';

const MAX_NAME_LENGTH = 1024;
const MAX_FACTORS = 32;
const MAX_FACTS_LENGTH = 32 * 1024;
const ABSENT = '-';

/** Principals that can no longer change, and what they contribute. */
const frozenPrincipals = new WeakMap<Principal, string>();

/**
 * Total: undefined when a member is missing or mistyped, a name is longer than 1024, or attributes, environment or
 * session nest deeper than 8 or spell longer than 32 KiB. So what has a key is bounded, and fit to be evaluated.
 */
export function decisionKey(request: DecisionRequest): string | undefined {
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
      (session === undefined ? ABSENT : factsKey(session))
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

function factsKey(value: unknown): string {
  const text = isJsonObject(value) ? canonicalJson(value, MAX_FACTS_LENGTH) : undefined;
  if (text === undefined) throw new RangeError('facts');
  return `${String(text.length)}:${text}`;
}
