/** RFC 5280 section 6.1.2, with what an anchor's certificate says (RFC 5937) in its initial values. */
import type { Certificate, NameConstraints, Oid } from '../certificate/types.ts';
import type { PolicyInput, TrustAnchor } from '../input.ts';
import { initialConstraints, intersect, type ConstraintState } from '../names/constraints.ts';
import type { Failure } from '../reasons.ts';
import { isFailure } from '../signature/types.ts';
import type { Work } from '../work.ts';
import { checkCriticalExtensions } from './critical-extensions.ts';
import { checkIssuerUsage } from './extended-key-usage.ts';
import { ANY_POLICY, initialGraph } from './policy-graph.ts';
import { checkSignedAlgorithm } from './signed-algorithm.ts';
import type { PathState } from './state.ts';
import type { PathContext } from './types.ts';
import { checkValidity } from './validity.ts';

/** `n` is the number of certificates in the path. */
export function initialize(anchor: TrustAnchor, n: number, context: PathContext): PathState | Failure {
  const { policies, signatures, work } = context;
  const workingPublicKey = signatures.loadKey(anchor.subjectPublicKeyInfo);
  if (isFailure(workingPublicKey)) return workingPublicKey;
  // What was read of constraints is remembered by their identity, and the caller's object may have changed since: a copy.
  const ofCaller = context.nameConstraints && { ...context.nameConstraints };
  const nameConstraints = narrowed(initialConstraints(), ofCaller, work);
  if (isFailure(nameConstraints)) return nameConstraints;
  const state: PathState = {
    validPolicyGraph: initialGraph(work), // (a)
    nameConstraints, // (b), (c)
    explicitPolicy: policies.requireExplicit === true ? 0 : n + 1, // (d)
    inhibitAnyPolicy: policies.inhibitAny === true ? 0 : n + 1, // (e)
    policyMapping: policies.inhibitMapping === true ? 0 : n + 1, // (f)
    workingPublicKey, // (g), (h), (i)
    workingIssuerName: anchor.name, // (j)
    maxPathLength: Math.min(n, context.maxIntermediates ?? n), // (k)
    userInitialPolicySet: initialPolicySet(policies, anchor.certificate?.certificatePolicies),
  };
  if (anchor.certificate === undefined) return state;
  return checkAnchor(anchor.certificate, context) ?? applyAnchor(state, anchor.certificate, context);
}

/**
 * The anchor's certificate as an issuer. Its signature proves nothing and is not verified, and its names and position are
 * the caller's choice; that an expired one, or one that says it is no CA, still binds is stricter than RFC 5280
 * section 6.1.1 (d), which leaves it to the validator.
 */
function checkAnchor(certificate: Certificate, context: PathContext): Failure | undefined {
  return (
    checkSignedAlgorithm(certificate) ??
    checkValidity(certificate, context.atMs) ??
    checkAnchorIsCa(certificate) ??
    checkIssuerUsage(certificate, context.extendedKeyUsage) ??
    checkCriticalExtensions(certificate, 'RFC 5937 section 3.2')
  );
}

/** As section 6.1.4 (k) and (n). A version 1 anchor cannot say that it is a CA: who made it an anchor did. */
function checkAnchorIsCa({ version, basicConstraints, keyUsage }: Certificate): Failure | undefined {
  if (version === 3 && basicConstraints?.ca !== true)
    return { reason: 'not_a_ca', section: 'RFC 5280 section 4.2.1.9', detail: 'the anchor is no CA' };
  if (keyUsage?.has('keyCertSign') === false)
    return {
      reason: 'key_usage',
      section: 'RFC 5280 section 4.2.1.3',
      detail: 'the anchor may not sign certificates',
    };
  return undefined;
}

/** RFC 5937 section 3.2: each only ever narrows what the caller's inputs allow. */
function applyAnchor(state: PathState, certificate: Certificate, context: PathContext): PathState | Failure {
  const { basicConstraints, policyConstraints, inhibitAnyPolicy } = certificate;
  const nameConstraints = narrowed(state.nameConstraints, certificate.nameConstraints, context.work);
  if (isFailure(nameConstraints)) return nameConstraints;
  state.nameConstraints = nameConstraints;
  state.maxPathLength = Math.min(state.maxPathLength, basicConstraints?.pathLen ?? Infinity);
  state.explicitPolicy = Math.min(state.explicitPolicy, policyConstraints?.requireExplicitPolicy ?? Infinity);
  state.policyMapping = Math.min(state.policyMapping, policyConstraints?.inhibitPolicyMapping ?? Infinity);
  state.inhibitAnyPolicy = Math.min(state.inhibitAnyPolicy, inhibitAnyPolicy ?? Infinity);
  return state;
}

function narrowed(
  state: ConstraintState,
  constraints: NameConstraints | undefined,
  work: Work,
): ConstraintState | Failure {
  return constraints === undefined ? state : intersect(state, constraints, work);
}

/** Section 6.1.1 (c), and RFC 5937 section 3.2: of the caller's policies those that the anchor's certificate lists. */
function initialPolicySet(
  { initial }: PolicyInput,
  ofAnchor: Certificate['certificatePolicies'],
): 'any' | readonly Oid[] {
  const asked = initial === undefined || initial.includes(ANY_POLICY) ? 'any' : initial;
  if (ofAnchor === undefined) return asked;
  const listed = ofAnchor.map(({ oid }) => oid);
  if (listed.includes(ANY_POLICY)) return asked;
  return asked === 'any' ? listed : asked.filter((policy) => listed.includes(policy));
}
