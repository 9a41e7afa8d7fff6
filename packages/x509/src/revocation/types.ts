/** What the revocation pass is given, what it answers, and what its parts say to each other. */
import type { Certificate, Name, SubjectPublicKeyInfo } from '../certificate/types.ts';
import type { RevocationInput, TrustAnchor } from '../input.ts';
import type { PathOutcome, ValidatedPath } from '../path/types.ts';
import type { Failure } from '../reasons.ts';
import type { RevocationReport, RevocationSource } from '../result.ts';
import type { PublicKey, SignatureChecker } from '../signature/types.ts';
import type { Work } from '../work.ts';
import type { CertificateList } from './crl/types.ts';

export interface RevocationContext {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly signatures: SignatureChecker;
  /** Evidence held against a certificate is counted among the comparisons of names. */
  readonly work: Work;
  /**
   * A path for who signed a CRL or an OCSP response, RFC 5280 section 6.1 alone: no purpose, no names, no profile and no
   * revocation, which this pass looks after itself. It ends in the anchor of the path in question (section 6.3.3 (f)).
   */
  validateSigner(certificate: Certificate, anchor: TrustAnchor): PathOutcome;
  /** Untrusted certificates with this `nameKey` as their subject: who may have signed, beside the path itself. */
  candidates(subject: string): readonly Certificate[];
  /** Why the profile does not use a complete list, on top of RFC 5280. */
  readonly listProblem?: ((list: CertificateList) => string | undefined) | undefined;
}

export interface RevocationOutcome {
  /** Undefined: nothing that was asked for speaks against the path. */
  readonly failure: Failure | undefined;
  /** One for each certificate of the path, leaf first. */
  readonly reports: readonly RevocationReport[];
}

/** Section 6.3.1 (a), a certificate whose status is asked for: `path.certificates[index]`. */
export interface Target {
  readonly path: ValidatedPath;
  readonly index: number;
  readonly certificate: Certificate;
  readonly issuer: Issuer;
}

/** Who issued it: the next certificate of the path, or the anchor. */
export interface Issuer {
  readonly name: Name;
  readonly subjectPublicKeyInfo: SubjectPublicKeyInfo;
  /** Undefined for an anchor that came without one. */
  readonly certificate: Certificate | undefined;
  /** The key that verified the target's signature. */
  readonly key: PublicKey;
}

export function targetAt(path: ValidatedPath, index: number): Target {
  const certificate = path.certificates[index];
  const key = path.issuerKeys[index];
  if (certificate === undefined || key === undefined) throw new RangeError('not a certificate of the path');
  const above = path.certificates[index + 1];
  const name = above?.subject ?? path.anchor.name;
  const { subjectPublicKeyInfo } = above ?? path.anchor;
  const issuer = { name, subjectPublicKeyInfo, certificate: above ?? path.anchor.certificate, key };
  return { path, index, certificate, issuer };
}

/** What one kind of evidence, or all of it, says about one certificate. */
export interface Finding {
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly sources: readonly RevocationSource[];
  readonly unused: RevocationReport['unused'];
  readonly revokedAtMs?: number;
  readonly revocationReason?: string;
}

/** One revocation pass: its evidence, and the status of those who signed it. */
export interface Pass {
  readonly input: RevocationInput;
  readonly context: RevocationContext;
  /** How far ahead of `atMs` a time of issue may be. */
  readonly latestMs: number;
  /** Those whose issuer has this `nameKey`. */
  lists(issuer: string): readonly CertificateList[];
  /**
   * The status of a signer by all evidence at hand, its path included. `asking` is the certificate that the evidence is
   * about; a circle of certificates that vouch for each other is `unknown`.
   */
  signerStatus(path: ValidatedPath, asking: Target): 'good' | 'revoked' | 'unknown';
  /** False where a signer of unknown status does: with soft failure, and where nothing but the leaf is asked for. */
  readonly requiresSignerStatus: boolean;
}
