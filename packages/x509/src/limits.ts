/**
 * How much work one validation may do. Beyond any of them the answer is `limit`, not a slow one. The last three are for the
 * parsers, which take them as an argument of their own and answer that the input is too long; a validator reads nothing.
 */
export interface Limits {
  /** Untrusted certificates that one input brings; those of the validator's pool are not counted. */
  readonly certificates: number;
  /** Certificates and anchors tried as the issuer of another, each time that a path comes by. */
  readonly buildSteps: number;
  /** Certificates between leaf and anchor, self-issued ones counted. */
  readonly intermediatesInPath: number;
  /** Whole candidate paths validated. */
  readonly candidatePaths: number;
  /** Octets of the certificates of whole candidate paths, each time that one is validated. */
  readonly pathBytes: number;
  /**
   * Signatures verified that the cache does not know: of certificates, CRLs and OCSP responses. A costly one counts as
   * several: P-521 as two, RSA of more than 4,096 bits by the square of the modulus.
   */
  readonly signatureChecks: number;
  /** Comparisons of a name with a subtree, of a CRL with a distribution point, of an OCSP answer with a certificate. */
  readonly nameComparisons: number;
  /** Octets of names prepared for comparison: subjects and issuers that an input brings, directory names under constraints. */
  readonly nameBytes: number;
  /** Nodes of the policy graph (CVE-2023-0464 was a tree without bound). */
  readonly policyNodes: number;
  /** Octets of one certificate. */
  readonly certificateBytes: number;
  /** Octets of one CRL: a million entries with reasons are 50 million. */
  readonly crlBytes: number;
  /** Octets of one OCSP response. */
  readonly ocspBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  certificates: 1_000,
  buildSteps: 10_000,
  intermediatesInPath: 15,
  candidatePaths: 64,
  pathBytes: 2_097_152,
  signatureChecks: 128,
  nameComparisons: 100_000,
  nameBytes: 524_288,
  policyNodes: 1_024,
  certificateBytes: 65_536,
  crlBytes: 67_108_864,
  ocspBytes: 65_536,
};
