/** RFC 5280 section 6.1.4: from certificate i, an issuer, to certificate i+1, in the order of the RFC. */
import type { Certificate } from '../certificate/types.ts';
import { intersect } from '../names/constraints.ts';
import { sameName } from '../names/name-key.ts';
import type { Failure } from '../reasons.ts';
import { isFailure } from '../signature/types.ts';
import { checkCriticalExtensions } from './critical-extensions.ts';
import { checkIssuerUsage } from './extended-key-usage.ts';
import { ANY_POLICY, deleteMapped, mapPolicies } from './policy-graph.ts';
import type { PathState } from './state.ts';
import type { PathContext } from './types.ts';

export function prepareNext(
  state: PathState,
  certificate: Certificate,
  context: PathContext,
): Failure | undefined {
  return (
    applyMappings(state, certificate) ?? // (a), (b)
    takeOver(state, certificate, context) ?? // (c), (d), (e), (f)
    narrowNames(state, certificate, context) ?? // (g)
    narrowPolicies(state, certificate) ?? // (h), (i), (j)
    checkIsCa(certificate) ?? // (k)
    countPath(state, certificate) ?? // (l), (m)
    checkKeyUsage(certificate) ?? // (n)
    checkCriticalExtensions(certificate, 'RFC 5280 section 6.1.4 (o)') ?? // (o)
    checkIssuerUsage(certificate, context.extendedKeyUsage) // beside (o): not in the RFC, see there
  );
}

function applyMappings(state: PathState, { policyMappings }: Certificate): Failure | undefined {
  if (policyMappings === undefined) return undefined;
  for (const { issuerDomain, subjectDomain } of policyMappings)
    if (issuerDomain === ANY_POLICY || subjectDomain === ANY_POLICY)
      return refusal('policy', '(a)', 'anyPolicy is mapped');
  const graph = state.validPolicyGraph;
  if (graph !== undefined)
    state.validPolicyGraph =
      state.policyMapping > 0
        ? mapPolicies(graph, policyMappings) // (b)(1)
        : deleteMapped(graph, policyMappings); // (b)(2)
  return undefined;
}

function takeOver(state: PathState, certificate: Certificate, context: PathContext): Failure | undefined {
  state.workingIssuerName = certificate.subject; // (c)
  // (d), (e), (f): the key below is verified with this one; only DSA knows parameters to inherit
  const key = context.signatures.loadKey(certificate.subjectPublicKeyInfo, state.workingPublicKey);
  if (isFailure(key)) return key;
  state.workingPublicKey = key;
  return undefined;
}

function narrowNames(
  state: PathState,
  { nameConstraints }: Certificate,
  { work }: PathContext,
): Failure | undefined {
  if (nameConstraints === undefined) return undefined;
  const narrowed = intersect(state.nameConstraints, nameConstraints, work); // (g)
  if (isFailure(narrowed)) return narrowed;
  state.nameConstraints = narrowed;
  return undefined;
}

function narrowPolicies(state: PathState, certificate: Certificate): undefined {
  if (!isSelfIssued(certificate)) {
    state.explicitPolicy = Math.max(0, state.explicitPolicy - 1); // (h)(1)
    state.policyMapping = Math.max(0, state.policyMapping - 1); // (h)(2)
    state.inhibitAnyPolicy = Math.max(0, state.inhibitAnyPolicy - 1); // (h)(3)
  }
  const { policyConstraints, inhibitAnyPolicy } = certificate;
  state.explicitPolicy = Math.min(state.explicitPolicy, policyConstraints?.requireExplicitPolicy ?? Infinity); // (i)(1)
  state.policyMapping = Math.min(state.policyMapping, policyConstraints?.inhibitPolicyMapping ?? Infinity); // (i)(2)
  state.inhibitAnyPolicy = Math.min(state.inhibitAnyPolicy, inhibitAnyPolicy ?? Infinity); // (j)
}

/** Versions 1 and 2 cannot say that they are CAs; no other means to know it are taken. */
function checkIsCa({ version, basicConstraints }: Certificate): Failure | undefined {
  if (version !== 3) return refusal('not_a_ca', '(k)', `an issuer of version ${version}`);
  if (basicConstraints?.ca !== true) return refusal('not_a_ca', '(k)', 'basicConstraints does not say cA');
  return undefined;
}

function countPath(state: PathState, certificate: Certificate): Failure | undefined {
  if (!isSelfIssued(certificate)) {
    if (!(state.maxPathLength > 0)) return refusal('path_too_long', '(l)', 'more issuers than are allowed');
    state.maxPathLength -= 1; // (l)
  }
  state.maxPathLength = Math.min(state.maxPathLength, certificate.basicConstraints?.pathLen ?? Infinity); // (m)
  return undefined;
}

function checkKeyUsage({ keyUsage }: Certificate): Failure | undefined {
  if (keyUsage === undefined || keyUsage.has('keyCertSign')) return undefined;
  return refusal('key_usage', '(n)', 'the issuer may not sign certificates');
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return sameName(subject, issuer);
}

function refusal(reason: Failure['reason'], step: string, detail: string): Failure {
  return { reason, section: `RFC 5280 section 6.1.4 ${step}`, detail };
}
