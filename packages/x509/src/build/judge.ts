/** What a whole candidate must pass, in this order: section 6.1, the profile, the names that are expected, revocation. */
import type { Certificate, Oid } from '../certificate/types.ts';
import type { ExpectedName, Purpose, RevocationInput } from '../input.ts';
import { matchName } from '../names/match-name.ts';
import type { CandidatePath, PathContext, ValidatedPath } from '../path/types.ts';
import { validatePath } from '../path/validate-path.ts';
import type { Position, Profile } from '../profile/types.ts';
import type { Failure } from '../reasons.ts';
import type { RevocationReport, Valid } from '../result.ts';
import { checkRevocation } from '../revocation/check-revocation.ts';
import type { RevocationContext } from '../revocation/types.ts';
import type { Judgement } from './find-path.ts';
import type { Stage } from './refusals.ts';

/** What one validation asks of each of its candidates. */
export interface Demands {
  readonly path: PathContext;
  readonly profile: Profile;
  readonly purpose: Purpose;
  readonly names: readonly ExpectedName[];
  readonly revocation: RevocationInput;
  readonly revocationContext: RevocationContext;
}

/** What is valid, before what it cost is known. */
export type Accepted = Omit<Valid, 'work'>;

export function judge(candidate: CandidatePath, demands: Demands): Judgement<Accepted> {
  const outcome = validatePath(candidate, demands.path);
  if (!outcome.ok) return refused('path', outcome.failure);
  const unruly = checkProfile(outcome.path, demands);
  if (unruly !== undefined) return refused('profile', unruly);
  const unnamed = checkNames(outcome.path, demands.names);
  if (unnamed !== undefined) return { ...refused('names', unnamed), isFinal: true }; // every path has this leaf
  const revocation = checkRevocation(outcome.path, demands.revocation, demands.revocationContext);
  if (revocation.failure !== undefined) return refused('revocation', revocation.failure, revocation.reports);
  return { accepted: true, value: valid(outcome.path, revocation.reports) };
}

function refused(
  stage: Stage,
  failure: Failure,
  revocation: readonly RevocationReport[] = [],
): Judgement<Accepted> & { accepted: false } {
  return { accepted: false, stage, failure, revocation, isFinal: false };
}

function valid(path: ValidatedPath, revocation: readonly RevocationReport[]): Accepted {
  const { certificates, anchor, policies, notAfterMs } = path;
  return { valid: true, path: certificates, anchor, policies, revocation, notAfterMs };
}

/** From the anchor's certificate, where there is one, down to the leaf. */
function checkProfile(path: ValidatedPath, { profile, purpose }: Demands): Failure | undefined {
  if (profile.rules.length === 0) return undefined;
  const { certificates, anchor } = path;
  const leafIsAnchor =
    certificates.length === 1 && certificates[0]?.fingerprint === anchor.certificate?.fingerprint;
  const context = { purpose, leafIsAnchor, pathLength: certificates.length };
  for (let place = certificates.length; place >= 0; place--) {
    const certificate = certificates[place] ?? anchor.certificate;
    if (certificate === undefined) continue; // the place above the path, of an anchor without a certificate
    for (const rule of profile.rules) {
      const failure = rule(certificate, positionOf(place, certificates), context);
      if (failure !== undefined) return { ...failure, certificate: place };
    }
  }
  return undefined;
}

function positionOf(place: number, certificates: readonly Certificate[]): Position {
  if (place === 0) return 'leaf';
  return place === certificates.length ? 'anchor' : 'intermediate';
}

function checkNames(path: ValidatedPath, names: readonly ExpectedName[]): Failure | undefined {
  const leaf = path.certificates[0] as Certificate;
  for (const name of names) {
    const failure = matchName(name, leaf);
    if (failure !== undefined) return { ...failure, certificate: 0 };
  }
  return undefined;
}

const PURPOSE_USAGE = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const; // RFC 5280 section 4.2.1.12

/** The usages that a path must allow: that of the purpose, and those that the caller adds. */
export function requiredUsages(purpose: Purpose, more: readonly Oid[] = []): readonly Oid[] {
  return purpose === 'any' ? more : [PURPOSE_USAGE[purpose], ...more];
}
