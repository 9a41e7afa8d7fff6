/** Principals' calls decided by policy-service. Fails closed: no answer, no call. */
import type { policyv1 } from '@sallyport/proto';
import { SallyportError } from '../errors/index.ts';
import type { ServiceCalls } from './client.ts';
import type { AuthorizePrincipal } from './ports.ts';

export interface PolicyAuthorizerOptions {
  /** Default 1000. */
  readonly timeoutMs?: number;
  /** Default `default`. */
  readonly tenant?: string;
}

/** Throws `SallyportError` `policy_unavailable` from each call that could not be decided. */
export function policyAuthorizer(
  policy: Pick<ServiceCalls<typeof policyv1.PolicyService>, 'decide'>,
  options: PolicyAuthorizerOptions = {},
): AuthorizePrincipal {
  const { timeoutMs = 1_000, tenant = 'default' } = options;
  return async (caller, action, resource, { signal }) => {
    const { decision } = await policy
      .decide(
        {
          subject: { principal: caller.id, tenant, method: 'mtls' },
          action,
          resourceKind: resource.kind,
          resourceName: resource.name,
        },
        { deadlineMs: timeoutMs, signal },
      )
      .catch((cause: unknown) => {
        throw undecided('policy-service did not answer', cause);
      });
    if (decision === undefined) throw undecided('policy-service answered without a decision');
    return {
      allowed: decision.allowed,
      reasons: decision.reasons,
      requires: decision.requires,
      revision: decision.revision,
    };
  };
}

function undecided(why: string, cause?: unknown): SallyportError {
  return new SallyportError('policy_unavailable', `${why}, so the call is refused`, { cause });
}
