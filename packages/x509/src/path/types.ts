/** What RFC 5280 section 6.1 is given, and what it answers. */
import type { Certificate, NameConstraints, Oid } from '../certificate/types.ts';
import type { PolicyInput, TrustAnchor } from '../input.ts';
import type { Failure } from '../reasons.ts';
import type { ValidPolicies } from '../result.ts';
import type { PublicKey, SignatureChecker } from '../signature/types.ts';
import type { Work } from '../work.ts';

/** Section 6.1.1 (a): a whole path as the builder made it: leaf first, at least one certificate, the anchor's own not among them. */
export interface CandidatePath {
  readonly certificates: readonly Certificate[];
  readonly anchor: TrustAnchor;
}

/** The inputs of section 6.1.1 that do not belong to one candidate, and the means to work with. */
export interface PathContext {
  /** (b), milliseconds since 1970. */
  readonly atMs: number;
  /** (c), (e), (f), (g). */
  readonly policies: PolicyInput;
  /** (h), (i); undefined: any name. */
  readonly nameConstraints: NameConstraints | undefined;
  /** Certificates between leaf and anchor, self-issued ones not counted; undefined: no bound but the path's own. */
  readonly maxIntermediates: number | undefined;
  /** Usages that the whole path must allow. Empty: none is asked for. */
  readonly extendedKeyUsage: readonly Oid[];
  readonly signatures: SignatureChecker;
  readonly work: Work;
}

/** A path that section 6.1 accepts, with what later passes (profile, revocation) need of it. */
export interface ValidatedPath extends CandidatePath {
  /** `issuerKeys[i]` is the key that verified `certificates[i]`: the working public key at that point. */
  readonly issuerKeys: readonly PublicKey[];
  /** Section 6.1.6. */
  readonly policies: ValidPolicies;
  /** The first end of a validity, the anchor's certificate included. */
  readonly notAfterMs: number;
}

/** `failure.certificate` is 0 for the leaf, and the number of certificates for the anchor's own. */
export type PathOutcome =
  { readonly ok: true; readonly path: ValidatedPath } | { readonly ok: false; readonly failure: Failure };
