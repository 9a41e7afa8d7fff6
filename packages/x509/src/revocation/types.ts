/** What the revocation pass is given, and what it answers. */
import type { Certificate } from '../certificate/types.ts';
import type { TrustAnchor } from '../input.ts';
import type { PathOutcome } from '../path/types.ts';
import type { Failure } from '../reasons.ts';
import type { RevocationReport } from '../result.ts';
import type { SignatureChecker } from '../signature/types.ts';

export interface RevocationContext {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly signatures: SignatureChecker;
  /**
   * A path for who signed a CRL or an OCSP response, RFC 5280 section 6.1 alone: no purpose, no names, no profile and no
   * revocation, which this pass looks after itself. It ends in the anchor of the path in question (section 6.3.3 (f)).
   */
  validateSigner(certificate: Certificate, anchor: TrustAnchor): PathOutcome;
  /** Untrusted certificates with this `nameKey` as their subject: who may have signed, beside the path itself. */
  candidates(subject: string): readonly Certificate[];
}

export interface RevocationOutcome {
  /** Undefined: nothing that was asked for speaks against the path. */
  readonly failure: Failure | undefined;
  /** One for each certificate of the path, leaf first. */
  readonly reports: readonly RevocationReport[];
}
