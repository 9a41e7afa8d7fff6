/** Principals' calls decided by policy-service. Fails closed. */
import type { policyv1 } from '@sallyport/proto';
import type { Clock } from '../clock/index.ts';
import type { ServiceCalls } from './client.ts';
import type { AuthorizePrincipal } from './ports.ts';

export interface PolicyAuthorizerOptions {
  readonly clock: Clock;
  /** Default 1000. */
  readonly timeoutMs?: number;
  /** Default `default`. */
  readonly tenant?: string;
}

/** Throws `SallyportError` `policy_unavailable` from each call that could not be decided. */
export function policyAuthorizer(
  _policy: Pick<ServiceCalls<typeof policyv1.PolicyService>, 'decide'>,
  _options: PolicyAuthorizerOptions,
): AuthorizePrincipal {
  throw new Error('in progress');
}
