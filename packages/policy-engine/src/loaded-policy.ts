/**
 * One bundle in force: module, bindings and the answers already given. Swapping bundles swaps this object whole, so an
 * answer can never outlive the revision it came from.
 */

import { LRUCache } from 'lru-cache';
import { BindingIndex } from './bindings.ts';
import type { VerifiedBundle } from './bundle.ts';
import { parsePolicyOutput } from './decision.ts';
import type { Decision, DecisionRequest, EngineReason, PolicyOutput } from './decision.ts';
import { PolicyModuleError, WasmPolicy } from './wasm-policy.ts';
import type { MemoryLimits, WasmPolicyInstance } from './wasm-policy.ts';

export type EvaluationFailure = 'policy_error' | 'policy_undefined' | 'policy_output_invalid';

type CachedDecision = { readonly decision: Decision; readonly expiresAtMs: number };

// Who no bundle knows. The colon-free role name cannot exist in a table (roles.ts), so it is unknown everywhere.
const STRANGER: DecisionRequest = {
  principal: { id: 'user:self-test', tenant: 'self-test', method: 'self-test' },
  action: 'sallyport.self-test',
  resource: { kind: 'self-test', name: 'self-test' },
};
const IMPOSSIBLE_ROLE = 'Self Test';

export class LoadedPolicy {
  readonly revision: number;
  readonly digest: string;
  readonly cache: LRUCache<string, CachedDecision>;
  readonly bindings: BindingIndex;
  readonly #policy: WasmPolicy;
  #instance: WasmPolicyInstance;

  private constructor(bundle: VerifiedBundle, policy: WasmPolicy, cacheEntries: number) {
    this.revision = bundle.revision;
    this.digest = bundle.digest;
    this.cache = new LRUCache({ max: cacheEntries });
    this.bindings = new BindingIndex(bundle.bindings);
    this.#policy = policy;
    this.#instance = policy.instantiate();
  }

  /**
   * Compiles and proves the policy. Throws PolicyModuleError when the module is unfit or does not deny those it must:
   * a stranger, the holder of a role that cannot exist, and nobody at all.
   */
  static async prepare(
    bundle: VerifiedBundle,
    limits: MemoryLimits,
    cacheEntries: number,
  ): Promise<LoadedPolicy> {
    const policy = await WasmPolicy.compile(bundle.wasm, bundle.roles, limits);
    const loaded = new LoadedPolicy(bundle, policy, cacheEntries);
    const mustDeny: [string, string][] = [
      ['a principal without roles', inputJson(STRANGER, [])],
      ['a principal of an unknown role', inputJson(STRANGER, [IMPOSSIBLE_ROLE])],
      ['an empty input', '{}'],
    ];
    for (const [who, input] of mustDeny) {
      const output = loaded.#run(input);
      if (typeof output === 'string') throw new PolicyModuleError(`self-test: ${output} on ${who}`);
      if (output.allow) throw new PolicyModuleError(`self-test: the policy allows ${who}`);
    }
    return loaded;
  }

  /** `request` must have a decision key: that bounds it. */
  evaluate(request: DecisionRequest): PolicyOutput | EvaluationFailure {
    const { tenant, id } = request.principal;
    return this.#run(inputJson(request, this.bindings.rolesOf(tenant, id)));
  }

  #run(input: string): PolicyOutput | EvaluationFailure {
    let value: unknown;
    try {
      // Replaced before use, not after: a failure to instantiate is then a failure of this evaluation, and tried again.
      if (this.#instance.mustReplace) this.#instance = this.#policy.instantiate();
      value = this.#instance.evaluate(input);
    } catch {
      return 'policy_error';
    }
    if (value === undefined) return 'policy_undefined';
    return parsePolicyOutput(value) ?? 'policy_output_invalid';
  }
}

export function denial(policy: LoadedPolicy | undefined, reason: EngineReason): Decision {
  return Object.freeze({
    decision: 'deny',
    reasons: Object.freeze([reason]),
    requires: EMPTY,
    obligations: EMPTY,
    roles: EMPTY,
    effectiveRoles: EMPTY,
    policyRevision: policy?.revision ?? 0,
    policyDigest: policy?.digest ?? '',
    cached: false,
  });
}

const EMPTY: readonly never[] = Object.freeze([]);

function inputJson(request: DecisionRequest, roles: readonly string[]): string {
  const { principal, action, resource, environment = {}, session } = request;
  const { id, tenant, method, assurance = 0, factors = [] } = principal;
  const kind = id.slice(0, Math.max(0, id.indexOf(':')));
  return JSON.stringify({
    principal: { id, kind, tenant, roles, method, assurance, factors },
    action,
    resource,
    environment,
    session,
  });
}
