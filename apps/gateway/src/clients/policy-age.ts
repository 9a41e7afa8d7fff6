/** No decision is made on a bundle that may long have been replaced (docs/adr/0056). */
import type { Decision, DecisionRequest, HeldBundle } from '@sallyport/policy-engine';
import { SallyportError } from '@sallyport/service/errors';

/** What the record of such a denial says. */
export const POLICY_STALE = 'policy_stale';

/**
 * `decide`, while the bundle in force was known to be the newest within `maxAgeMs`; a denial otherwise. Without any
 * bundle the engine denies by itself.
 */
export function denyWhenStale(
  decide: (request: DecisionRequest) => Decision,
  held: () => HeldBundle | undefined,
  maxAgeMs: number,
): (request: DecisionRequest) => Decision {
  return (request) => {
    const bundle = held();
    return bundle !== undefined && bundle.ageMs > maxAgeMs ? stale(bundle) : decide(request);
  };
}

/** Readiness. Throws `policy_unavailable`. */
export function checkPolicy(bundle: HeldBundle | undefined, maxAgeMs: number): void {
  if (bundle === undefined)
    throw new SallyportError(
      'policy_unavailable',
      'no policy bundle has come yet, or none that could be taken: the log has what was refused, and why',
    );
  if (bundle.ageMs <= maxAgeMs) return;
  throw new SallyportError(
    'policy_unavailable',
    `policy revision ${bundle.revision} was last known to be the newest ${seconds(bundle.ageMs)} ago; ` +
      `after ${seconds(maxAgeMs)} everything is denied`,
  );
}

const seconds = (ms: number): string => `${Math.trunc(ms / 1_000)} s`;

function stale({ revision, digest }: HeldBundle): Decision {
  return {
    decision: 'deny',
    reasons: [POLICY_STALE],
    requires: [],
    obligations: [],
    roles: [],
    effectiveRoles: [],
    policyRevision: revision,
    policyDigest: digest,
    cached: false,
  };
}
