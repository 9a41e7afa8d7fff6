export { callerFrom } from './caller.ts';
export type { Caller, CallerProblem, CallerResult, PrincipalCaller, ServiceCaller } from './caller.ts';
export { createDevelopmentCa, issue } from './development-ca.ts';
export type {
  CreateDevelopmentCa,
  DevelopmentCa,
  IssueOptions,
  Issued,
  KeyAlgorithm,
} from './development-ca.ts';
export { identityFromPem, needsRenewal } from './identity.ts';
export type { Identity, Trust } from './identity.ts';
export { chainOf, chainOfDetails, peerVerifier, type PeerVerifier } from './peer.ts';
export {
  PRINCIPAL_KINDS,
  SERVICE_NAMES,
  formatSpiffeId,
  isServiceName,
  isTrustDomain,
  parsePrincipalId,
  parseSpiffeId,
  principalSpiffeId,
  serviceSpiffeId,
} from './spiffe.ts';
export type { PrincipalId, PrincipalKind, ServiceName, SpiffeId, SpiffeKind } from './spiffe.ts';
