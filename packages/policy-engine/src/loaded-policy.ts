/**
 * One bundle in force: module, bindings and the answers already given. Swapping bundles swaps this object whole, so an
 * answer can never outlive the revision it came from.
 */

import { LRUCache } from 'lru-cache';
import { argumentPathsOf, seenArguments } from './arguments.ts';
import type { ArgumentPaths } from './arguments.ts';
import { BindingIndex } from './bindings.ts';
import type { VerifiedBundle } from './bundle.ts';
import { decisionKey } from './decision-key.ts';
import type { Question } from './decision-key.ts';
import { parsePolicyOutput } from './decision.ts';
import type { Decision, DecisionRequest, EngineReason, PolicyOutput } from './decision.ts';
import type { JsonValue } from './json.ts';
import type { RoleTable } from './roles.ts';
import { PolicyModuleError, WasmPolicy } from './wasm-policy.ts';
import type { MemoryLimits, WasmPolicyInstance } from './wasm-policy.ts';

export type EvaluationFailure = 'policy_error' | 'policy_undefined' | 'policy_output_invalid';

type CachedDecision = { readonly decision: Decision; readonly expiresAtMs: number };

// Who no bundle knows. The colon-free role name cannot exist in a table (roles.ts), so it is unknown everywhere.
const STRANGER: Question = {
  principal: { id: 'user:self-test', tenant: 'self-test', method: 'self-test' },
  action: 'sallyport.self-test',
  resource: { kind: 'self-test', name: 'self-test' },
};
const IMPOSSIBLE_ROLE = 'Self Test';

const PROBE_ROLE = 'self-test';
const PROBE_POINTER = '/self-test';
const probe = (condition: Readonly<Record<string, JsonValue>>): RoleTable => ({
  [PROBE_ROLE]: {
    inherits: [],
    permissions: [{ action: '*', resource: '*', when: [{ argument: PROBE_POINTER, ...condition }] }],
  },
});

export class LoadedPolicy {
  readonly revision: number;
  readonly digest: string;
  readonly cache: LRUCache<string, CachedDecision>;
  readonly bindings: BindingIndex;
  readonly #policy: WasmPolicy;
  readonly #argumentPaths: ArgumentPaths;
  #instance: WasmPolicyInstance;

  private constructor(bundle: VerifiedBundle, policy: WasmPolicy, cacheEntries: number) {
    this.revision = bundle.revision;
    this.digest = bundle.digest;
    this.cache = new LRUCache({ max: cacheEntries });
    this.bindings = new BindingIndex(bundle.bindings);
    this.#policy = policy;
    this.#argumentPaths = argumentPathsOf(bundle.roles);
    this.#instance = policy.instantiate();
  }

  /**
   * Compiles and proves the policy. Throws PolicyModuleError when the module is unfit or does not deny those it must:
   * a stranger, the holder of a role that cannot exist, and nobody at all; and, where roles have conditions, a call that
   * does not meet one.
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
    if (loaded.#argumentPaths.length > 0) proveConditions(policy);
    return loaded;
  }

  /** The request as policy may see it; undefined when its arguments are neither an object nor `'any'`. Never throws. */
  questionOf(request: DecisionRequest): Question | undefined {
    try {
      if (request.arguments === undefined) return request as Question;
      return { ...request, arguments: seenArguments(request.arguments, this.#argumentPaths) };
    } catch {
      return undefined;
    }
  }

  /** Throws PolicyModuleError unless `request` is one that can be asked, and the answer is a denial. `what` is for its message. */
  proveDenied(what: string, request: DecisionRequest): void {
    const question = this.questionOf(request);
    const output =
      question === undefined || decisionKey(question) === undefined
        ? 'input_invalid'
        : this.evaluate(question);
    if (typeof output === 'string') throw new PolicyModuleError(`self-test: ${output} on ${what}`);
    if (output.allow) throw new PolicyModuleError(`self-test: the policy allows ${what}`);
  }

  /** `question` must have a decision key: that bounds it. */
  evaluate(question: Question): PolicyOutput | EvaluationFailure {
    const { tenant, id } = question.principal;
    return this.#run(inputJson(question, this.bindings.rolesOf(tenant, id)));
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

/** A module that knows nothing of conditions would grant without them: such a one must not run on roles that have some. */
function proveConditions(policy: WasmPolicy): void {
  const call = { ...STRANGER, arguments: { [PROBE_POINTER]: { value: 'b' } } };
  const mustDeny: [string, Question, Readonly<Record<string, JsonValue>>][] = [
    ['a call that does not meet a condition', call, { equals: 'a' }],
    ['a call under a condition that nobody knows', call, { 'self-test': 'b' }],
    ['what is not a call, under a condition', STRANGER, { equals: 'b' }],
  ];
  for (const [what, question, condition] of mustDeny) {
    const instance = policy.instantiate({ roles: probe(condition) });
    const output = parsePolicyOutput(instance.evaluate(inputJson(question, [PROBE_ROLE])));
    if (output?.allow !== false) throw new PolicyModuleError(`self-test: the policy does not deny ${what}`);
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

function inputJson(question: Question, roles: readonly string[]): string {
  const { principal, action, resource, environment = {}, session, arguments: seen } = question;
  const { id, tenant, method, assurance = 0, factors = [] } = principal;
  const kind = id.slice(0, Math.max(0, id.indexOf(':')));
  return JSON.stringify({
    principal: { id, kind, tenant, roles, method, assurance, factors },
    action,
    resource,
    arguments: seen,
    environment,
    session,
  });
}
