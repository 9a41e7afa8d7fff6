/**
 * The validator: builds candidate paths and accepts the first that RFC 5280 section 6.1, the profile, the expected names
 * and the revocation pass all accept. It holds what does not change between validations; each validation starts with its
 * own count of work and ends with a value.
 */
import { indexAnchors, type Anchors } from './build/anchors.ts';
import { findPath, type Search } from './build/find-path.ts';
import { judge, requiredUsages, type Accepted, type Demands } from './build/judge.ts';
import { createPool, joinPools, type Pool } from './build/pool.ts';
import { startRefusals, type Refusals } from './build/refusals.ts';
import { createSignerPaths } from './build/signer-paths.ts';
import { createCache, type Cache } from './cache.ts';
import type { Certificate } from './certificate/types.ts';
import type { TrustAnchor, ValidationInput } from './input.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { PROFILES } from './profile/index.ts';
import type { Profile, ProfileName } from './profile/types.ts';
import type { Failure } from './reasons.ts';
import type { Invalid, ValidationResult } from './result.ts';
import { createSignatureChecker } from './signature/checker.ts';
import { DEFAULT_ALGORITHMS, type AlgorithmPolicy } from './signature/policy.ts';
import { startWork, WorkLimitExceeded, type Work } from './work.ts';

export interface ValidatorOptions {
  /** Whom the caller trusts, in any order; several may have one name. None: nothing is valid. */
  readonly anchors: readonly TrustAnchor[];
  /** Untrusted certificates for every validation to build with, in any order. */
  readonly intermediates?: readonly Certificate[];
  /** Rules beyond section 6. Default: `rfc5280`, certificates as section 4 has them. */
  readonly profile?: ProfileName | Profile;
  /** Default: `DEFAULT_ALGORITHMS`. */
  readonly algorithms?: AlgorithmPolicy;
  /** Those that differ from `DEFAULT_LIMITS`. */
  readonly limits?: Partial<Limits>;
  /** Default: one of its own. Validators may share one, whatever their anchors and policies. */
  readonly cache?: Cache;
}

export interface Validator {
  /**
   * Whether there is a path from `leaf` to an anchor, now taken to be `input.at`. Never throws, whatever the certificates
   * say; the work is bounded by the limits. The answer does not depend on the order of anything in the input.
   */
  validate(leaf: Certificate, input: ValidationInput): ValidationResult;
}

/** What a validator holds. */
interface Held {
  readonly anchors: Anchors;
  readonly pool: Pool;
  readonly profile: Profile;
  readonly algorithms: AlgorithmPolicy;
  readonly limits: Limits;
  readonly cache: Cache;
}

/** Throws a RangeError for a profile or a limit that is none: a mistake of the caller, found when the validator is made. */
export function createValidator(options: ValidatorOptions): Validator {
  const { profile = 'rfc5280' } = options;
  const held: Held = {
    anchors: indexAnchors(options.anchors),
    pool: createPool(options.intermediates ?? []),
    profile: typeof profile === 'string' ? profileNamed(profile) : profile,
    algorithms: options.algorithms ?? DEFAULT_ALGORITHMS,
    limits: limitsWith(options.limits),
    cache: options.cache ?? createCache(),
  };
  return { validate: (leaf, input) => validate(leaf, input, held) };
}

function profileNamed(name: string): Profile {
  const found = Object.entries(PROFILES).find(([known]) => known === name);
  if (found === undefined) throw new RangeError(`no profile "${name}"`);
  return found[1];
}

/** A limit that is no number would be none at all. */
function limitsWith(own: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...own };
  for (const [name, limit] of Object.entries(limits))
    if (!Number.isSafeInteger(limit) || limit < 0)
      throw new RangeError(`${name} is no limit: ${String(limit)}`);
  return limits;
}

function validate(leaf: Certificate, input: ValidationInput, held: Held): ValidationResult {
  const refusals = startRefusals();
  const work = startWork(held.limits);
  if (!Number.isFinite(input.at.getTime())) return invalid(NO_TIME, refusals, work);
  try {
    countInput(leaf, input.intermediates ?? [], work);
    const found = findPath(leaf, searchFor(input, held, work, refusals));
    if (found !== undefined) return { ...found, work: work.done };
  } catch (error) {
    if (error instanceof WorkLimitExceeded) return invalid(beyond(error), refusals, work);
    throw error;
  }
  return invalid(refusals.furthest()?.failure ?? NOTHING_TRIED, refusals, work);
}

/** Before anything of it is looked at. */
function countInput(leaf: Certificate, intermediates: readonly Certificate[], work: Work): void {
  work.spend('certificates', intermediates.length);
  work.spend('nameBytes', leaf.subject.der.length + leaf.issuer.der.length);
  for (const { subject, issuer } of intermediates)
    work.spend('nameBytes', subject.der.length + issuer.der.length);
}

function searchFor(input: ValidationInput, held: Held, work: Work, refusals: Refusals): Search<Accepted> {
  const { anchors, profile, limits } = held;
  const pool =
    input.intermediates === undefined ? held.pool : joinPools(createPool(input.intermediates), held.pool);
  // RFC 5280 section 4.1.2.5: validities are whole seconds, so an instant is the second that it is in.
  const atMs = Math.floor(input.at.getTime() / 1_000) * 1_000;
  const signatures = createSignatureChecker(held.algorithms, held.cache, work);
  const purpose = input.purpose ?? profile.defaultPurpose;
  const shared = { atMs, pool, signatures, work, intermediatesInPath: limits.intermediatesInPath };
  const demands: Demands = {
    path: {
      atMs,
      policies: input.policies ?? {},
      nameConstraints: input.nameConstraints,
      maxIntermediates: input.maxIntermediates,
      extendedKeyUsage: requiredUsages(purpose, input.extendedKeyUsage),
      signatures,
      work,
    },
    profile,
    purpose,
    names: input.names ?? [],
    revocation: input.revocation ?? { mode: 'none' },
    revocationContext: {
      atMs,
      signatures,
      work,
      validateSigner: createSignerPaths(shared),
      candidates: (subject) => pool.named(subject).map((node) => node.certificate),
      listProblem: profile.listProblem,
    },
  };
  return { ...shared, anchors, refusals, judge: (candidate) => judge(candidate, demands) };
}

const NO_TIME: Failure = {
  reason: 'malformed',
  section: 'RFC 5280 section 6.1.1 (b)',
  detail: 'the time to validate at is not a time',
};

const NOTHING_TRIED: Failure = {
  reason: 'no_path',
  section: 'RFC 5280 section 6.1',
  detail: 'no candidate',
};

function beyond({ message }: WorkLimitExceeded): Failure {
  return { reason: 'limit', section: 'limits', detail: message };
}

function invalid(failure: Failure, refusals: Refusals, work: Work): Invalid {
  return { valid: false, failure, candidates: refusals.all, work: work.done };
}
