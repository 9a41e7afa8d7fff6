/** The state variables of RFC 5280 section 6.1.2. One path's, changed as its certificates are processed. */
import type { Name, Oid } from '../certificate/types.ts';
import type { ConstraintState } from '../names/constraints.ts';
import type { PublicKey } from '../signature/types.ts';
import type { PolicyGraph } from './policy-graph.ts';

export interface PathState {
  /** (a), after RFC 9618; undefined is NULL. */
  validPolicyGraph: PolicyGraph | undefined;
  /** (b) permitted_subtrees and (c) excluded_subtrees. */
  nameConstraints: ConstraintState;
  /** (d) */
  explicitPolicy: number;
  /** (e) */
  inhibitAnyPolicy: number;
  /** (f) */
  policyMapping: number;
  /** (g) working_public_key_algorithm, (h) working_public_key and (i) working_public_key_parameters. */
  workingPublicKey: PublicKey;
  /** (j) */
  workingIssuerName: Name;
  /** (k) */
  maxPathLength: number;
  /** Section 6.1.1 (c), after RFC 5937. */
  readonly userInitialPolicySet: 'any' | readonly Oid[];
}
