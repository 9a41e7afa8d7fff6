/** What is asked of the policy and what it answers. */

import { isJsonObject } from './json.ts';
import type { JsonObject } from './json.ts';

/** Who asks. Frozen with its lists frozen (`freezePrincipal`), its share of the cache key is computed once. */
export type Principal = {
  /** `user:alice`, `workload:batch`, `device:…`; the part before the colon becomes `input.principal.kind`. */
  readonly id: string;
  readonly tenant: string;
  /** How it proved itself: `certificate`, `psk`, `mtls`. */
  readonly method: string;
  /** Level of assurance; 0 when absent. */
  readonly assurance?: number;
  /** The distinct factors behind it; none when absent. */
  readonly factors?: readonly string[];
};

export type Resource = {
  /** `destination`, `service`. */
  readonly kind: string;
  readonly name: string;
  /** Absent: the caller's own tenant. */
  readonly tenant?: string;
  readonly attributes?: JsonObject;
};

/**
 * The facts of one question. Roles are not among them: they come from the signed bundle alone. `environment` and
 * `session` are part of the cache key, so hand in only what the policy reads, at the coarsest grain that serves.
 */
export type DecisionRequest = {
  readonly principal: Principal;
  readonly action: string;
  readonly resource: Resource;
  readonly environment?: JsonObject;
  readonly session?: JsonObject;
  /**
   * Of a call, for permissions with conditions. Only the values at the paths that the bundle's roles mention are looked
   * at, so hand in all of them: the object itself is never copied, and what no role mentions is no part of the cache key.
   * `{}`: a call without arguments. Absent: not a call, and no permission with conditions matches. `'any'`: could some
   * arguments be allowed? Then such a permission counts; for filtering lists, never for letting a call through.
   */
  readonly arguments?: JsonObject | 'any';
};

export type Obligation = JsonObject & { readonly kind: string };

/** Reasons the engine gives by itself; all of them come with `deny`. Others are the policy's own. */
export type EngineReason =
  | 'policy_missing'
  | 'policy_error'
  | 'policy_undefined'
  | 'policy_output_invalid'
  | 'input_invalid'
  | 'obligation_unknown';

/** Deeply frozen: cached answers are shared. */
export type Decision = {
  readonly decision: 'allow' | 'deny';
  readonly reasons: readonly string[];
  /** For a denial: what would allow it, such as `role:sender`. Empty = nothing would. */
  readonly requires: readonly string[];
  /** For an allow: what must still happen before it counts. Only kinds the engine was told about. */
  readonly obligations: readonly Obligation[];
  /** Roles whose permissions granted. */
  readonly roles: readonly string[];
  /** All roles the principal holds, inherited ones included. */
  readonly effectiveRoles: readonly string[];
  /** 0 = no bundle. */
  readonly policyRevision: number;
  /** Hex; empty = no bundle. */
  readonly policyDigest: string;
  readonly cached: boolean;
};

/** The policy's answer in its own terms, before the engine has judged it. */
export type PolicyOutput = {
  readonly allow: boolean;
  readonly reasons: readonly string[];
  readonly requires: readonly string[];
  readonly obligations: readonly Obligation[];
  readonly roles: readonly string[];
  readonly effectiveRoles: readonly string[];
  readonly cacheTtlSeconds: number;
};

/** undefined unless every member is there, of its type, and nothing else is: an answer half understood is no answer. */
export function parsePolicyOutput(value: unknown): PolicyOutput | undefined {
  if (!isJsonObject(value) || Object.keys(value).length !== 7) return undefined;
  const allow = value['allow'];
  const reasons = strings(value['reasons']);
  const requires = strings(value['requires']);
  const roles = strings(value['roles']);
  const effectiveRoles = strings(value['effective_roles']);
  const obligations = parseObligations(value['obligations']);
  const cacheTtlSeconds = value['cache_ttl_seconds'];
  if (typeof allow !== 'boolean' || typeof cacheTtlSeconds !== 'number' || !(cacheTtlSeconds >= 0))
    return undefined;
  if (!reasons || !requires || !roles || !effectiveRoles || !obligations) return undefined;
  return { allow, reasons, requires, obligations, roles, effectiveRoles, cacheTtlSeconds };
}

export function freezePrincipal(principal: Principal): Principal {
  if (principal.factors === undefined) return Object.freeze({ ...principal });
  return Object.freeze({ ...principal, factors: Object.freeze([...principal.factors]) });
}

function strings(value: unknown): readonly string[] | undefined {
  const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
  return isList ? Object.freeze(value) : undefined;
}

function parseObligations(value: unknown): readonly Obligation[] | undefined {
  const isList =
    Array.isArray(value) && value.every((item) => isJsonObject(item) && typeof item['kind'] === 'string');
  return isList ? deepFreeze(value as Obligation[]) : undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
