/** RFC 5280 section 6.1.3: what is checked of every certificate i of the path, in the order of the RFC. */
import type { Certificate } from '../certificate/types.ts';
import { checkConstraints } from '../names/constraints.ts';
import { sameName } from '../names/name-key.ts';
import type { Failure } from '../reasons.ts';
import { addCertificate } from './policy-graph.ts';
import { checkSignedAlgorithm } from './signed-algorithm.ts';
import type { PathState } from './state.ts';
import type { PathContext } from './types.ts';
import { checkValidity } from './validity.ts';

/** `isLast`: i = n, the leaf. */
export function processCertificate(
  state: PathState,
  certificate: Certificate,
  isLast: boolean,
  context: PathContext,
): Failure | undefined {
  const isSelfIssued = sameName(certificate.subject, certificate.issuer);
  return (
    checkSignedAlgorithm(certificate) ?? // section 4.1.1.2
    context.signatures.check(certificate, state.workingPublicKey) ?? // (a)(1)
    checkValidity(certificate, context.atMs) ?? // (a)(2)
    // (a)(3), revocation, is a pass of its own over a path that is valid otherwise: src/revocation
    checkIssuer(certificate, state) ?? // (a)(4)
    checkNames(certificate, isSelfIssued && !isLast, state, context) ?? // (b), (c)
    processPolicies(state, certificate, isSelfIssued && !isLast) // (d), (e), (f)
  );
}

function checkIssuer({ issuer }: Certificate, { workingIssuerName }: PathState): Failure | undefined {
  if (sameName(issuer, workingIssuerName)) return undefined;
  return {
    reason: 'issuer_mismatch',
    section: 'RFC 5280 section 6.1.3 (a)(4)',
    detail: 'the issuer is not the subject above',
  };
}

/** (b) and (c): a self-issued certificate that is not the last may have any name, so that a CA can change its keys. */
function checkNames(
  certificate: Certificate,
  isExempt: boolean,
  { nameConstraints }: PathState,
  { work }: PathContext,
): Failure | undefined {
  return isExempt ? undefined : checkConstraints(nameConstraints, certificate, work);
}

function processPolicies(
  state: PathState,
  { certificatePolicies }: Certificate,
  isSelfIssuedIssuer: boolean,
): Failure | undefined {
  if (certificatePolicies === undefined) {
    state.validPolicyGraph = undefined; // (e)
  } else if (state.validPolicyGraph !== undefined) {
    // (d), whose second part applies while anyPolicy is not inhibited
    const acceptsAnyPolicy = state.inhibitAnyPolicy > 0 || isSelfIssuedIssuer;
    state.validPolicyGraph = addCertificate(state.validPolicyGraph, certificatePolicies, acceptsAnyPolicy);
  }
  if (state.explicitPolicy > 0 || state.validPolicyGraph !== undefined) return undefined; // (f)
  return {
    reason: 'policy',
    section: 'RFC 5280 section 6.1.3 (f)',
    detail: 'an explicit policy is required and none is valid so far',
  };
}
