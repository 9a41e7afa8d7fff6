/**
 * Decisions in process. Whatever goes wrong is a denial that says so: no bundle, a request out of bounds, a module that
 * traps or answers nothing, an obligation nobody here can meet.
 */

import type { VerifiedBundle } from './bundle.ts';
import { decisionKey } from './decision-key.ts';
import type { Decision, DecisionRequest, PolicyOutput } from './decision.ts';
import { denial, LoadedPolicy } from './loaded-policy.ts';
import { DEFAULT_MEMORY_LIMITS } from './wasm-policy.ts';
import type { MemoryLimits } from './wasm-policy.ts';

export type EngineOptions = {
  /** A clock that never goes back, in milliseconds. */
  readonly monotonicMs: () => number;
  /** Kinds of obligation the caller enforces; an allow with any other is a denial. None when absent. */
  readonly knownObligations?: ReadonlySet<string>;
  /** Answers kept; 50,000 when absent. */
  readonly cacheEntries?: number;
  /** Longest life of a kept answer whatever the policy says; 300 when absent. */
  readonly maxCacheTtlSeconds?: number;
  readonly memoryLimits?: MemoryLimits;
  /**
   * By what it is about: questions that no bundle may answer with an allow. A bundle that does is not loaded. Ask in the name
   * of principals that cannot exist; the engine has questions of its own besides, which know nothing of its user's doors.
   */
  readonly mustDeny?: Readonly<Record<string, DecisionRequest>>;
};

export type LoadResult =
  | { readonly ok: true }
  /** The bundle before it, if any, stays in force. `detail` is for the log of the operator. */
  | { readonly ok: false; readonly detail: string };

/** Counted since construction. */
export type EngineCounters = {
  readonly decisions: number;
  readonly evaluations: number;
  readonly failures: number;
};

const MS_PER_SECOND = 1000;

export class PolicyEngine {
  readonly #options: Required<EngineOptions>;
  #loaded: LoadedPolicy | undefined;
  #decisions = 0;
  #evaluations = 0;
  #failures = 0;

  constructor(options: EngineOptions) {
    this.#options = {
      knownObligations: new Set(),
      cacheEntries: 50_000,
      maxCacheTtlSeconds: 300,
      memoryLimits: DEFAULT_MEMORY_LIMITS,
      mustDeny: {},
      ...options,
    };
  }

  /** What decides now. */
  get current(): { readonly revision: number; readonly digest: string } | undefined {
    return this.#loaded && { revision: this.#loaded.revision, digest: this.#loaded.digest };
  }

  get counters(): EngineCounters {
    return { decisions: this.#decisions, evaluations: this.#evaluations, failures: this.#failures };
  }

  /**
   * Compiles, self-tests and then swaps: decisions made meanwhile are the old bundle's, and none is made by half of
   * each. Does not compare revisions; BundleHolder does. Never throws.
   */
  async load(bundle: VerifiedBundle): Promise<LoadResult> {
    try {
      const { memoryLimits, cacheEntries, mustDeny } = this.#options;
      const loaded = await LoadedPolicy.prepare(bundle, memoryLimits, cacheEntries);
      for (const [what, request] of Object.entries(mustDeny)) loaded.proveDenied(what, request);
      this.#loaded = loaded;
      return { ok: true };
    } catch (error) {
      return { ok: false, detail: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Roles bound directly to a principal by the bundle in force. */
  rolesOf(tenant: string, principal: string): readonly string[] {
    return this.#loaded?.bindings.rolesOf(tenant, principal) ?? [];
  }

  /** Synchronous; never throws, whatever `request` is. */
  decide(request: DecisionRequest): Decision {
    this.#decisions += 1;
    const policy = this.#loaded;
    if (policy === undefined) return denial(undefined, 'policy_missing');
    const question = policy.questionOf(request);
    const key = question && decisionKey(question);
    if (question === undefined || key === undefined) return denial(policy, 'input_invalid');
    const nowMs = this.#options.monotonicMs();
    const known = policy.cache.get(key);
    if (known !== undefined && nowMs < known.expiresAtMs) return known.decision;

    this.#evaluations += 1;
    const output = policy.evaluate(question);
    if (typeof output === 'string') {
      this.#failures += 1;
      return denial(policy, output);
    }
    if (!output.obligations.every(({ kind }) => this.#options.knownObligations.has(kind))) {
      return denial(policy, 'obligation_unknown');
    }
    const decision = decisionOf(policy, output);
    const ttlMs = Math.min(output.cacheTtlSeconds, this.#options.maxCacheTtlSeconds) * MS_PER_SECOND;
    if (ttlMs > 0) {
      policy.cache.set(key, {
        decision: Object.freeze({ ...decision, cached: true }),
        expiresAtMs: nowMs + ttlMs,
      });
    }
    return decision;
  }
}

function decisionOf(policy: LoadedPolicy, output: PolicyOutput): Decision {
  return Object.freeze({
    decision: output.allow ? 'allow' : 'deny',
    reasons: output.reasons,
    requires: output.requires,
    obligations: output.obligations,
    roles: output.roles,
    effectiveRoles: output.effectiveRoles,
    policyRevision: policy.revision,
    policyDigest: policy.digest,
    cached: false,
  });
}
