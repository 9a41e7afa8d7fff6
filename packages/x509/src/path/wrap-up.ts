/** RFC 5280 section 6.1.5, with (g) after RFC 9618: what remains for certificate n, the leaf. */
import type { Certificate } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';
import type { ValidPolicies } from '../result.ts';
import { checkCriticalExtensions } from './critical-extensions.ts';
import { checkLeafUsage } from './extended-key-usage.ts';
import { authorityConstrained, userConstrained } from './policy-graph.ts';
import type { PathState } from './state.ts';
import type { PathContext } from './types.ts';

export function wrapUp(
  state: PathState,
  certificate: Certificate,
  context: PathContext,
): ValidPolicies | Failure {
  state.explicitPolicy = Math.max(0, state.explicitPolicy - 1); // (a), self-issued or not
  if (certificate.policyConstraints?.requireExplicitPolicy === 0) state.explicitPolicy = 0; // (b)
  // (c), (d), (e): the leaf's key will verify nothing here; it is held against the policy without being loaded
  const refusal =
    context.signatures.judgeKey(certificate.subjectPublicKeyInfo, state.workingPublicKey) ??
    checkCriticalExtensions(certificate, 'RFC 5280 section 6.1.5 (f)') ?? // (f)
    checkLeafUsage(certificate, context.extendedKeyUsage); // section 4.2.1.12
  return refusal ?? constrainPolicies(state); // (g)
}

function constrainPolicies(state: PathState): ValidPolicies | Failure {
  const authority = authorityConstrained(state.validPolicyGraph);
  const user = userConstrained(authority, state.userInitialPolicySet);
  if (state.explicitPolicy > 0 || user === 'any' || user.length > 0)
    return { authorityConstrained: authority, userConstrained: user };
  return {
    reason: 'policy',
    section: 'RFC 5280 section 6.1.5 (g)',
    detail: 'an explicit policy is required and none of those asked for is valid',
  };
}
