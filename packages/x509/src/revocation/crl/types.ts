/** A certificate revocation list as a value (RFC 5280 section 5), decoded once from strict DER. */
import type {
  AlgorithmIdentifier,
  AuthorityKeyIdentifier,
  DistributionPoint,
  DistributionPointName,
  Extension,
  GeneralName,
  Name,
  ReasonFlag,
} from '../../certificate/types.ts';

/** Section 5.2.5. */
export interface IssuingDistributionPoint {
  readonly name: DistributionPointName | undefined;
  readonly onlyContainsUserCerts: boolean;
  readonly onlyContainsCACerts: boolean;
  readonly onlySomeReasons: readonly ReasonFlag[] | undefined;
  readonly indirectCRL: boolean;
  readonly onlyContainsAttributeCerts: boolean;
}

/** Section 5.1.2.6 and 5.3. */
export interface RevokedCertificate {
  readonly serialNumber: Uint8Array;
  readonly revocationDateMs: number;
  /** Section 5.3.1; `unspecified` when absent, `removeFromCRL` only in deltas. */
  readonly reason: string;
  readonly invalidityDateMs: number | undefined;
  /** Section 5.3.3, only where the entry itself has it. */
  readonly certificateIssuer: readonly GeneralName[] | undefined;
  readonly unknownCriticalExtension: boolean;
}

export interface CertificateList {
  readonly der: Uint8Array;
  /** SHA-256 of `der`, lower-case hex. */
  readonly fingerprint: string;
  readonly tbs: Uint8Array;
  readonly version: 1 | 2;
  readonly signature: AlgorithmIdentifier;
  readonly issuer: Name;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
  /** Entries are decoded as they are looked for: a list may have a million. */
  readonly entries: Iterable<RevokedCertificate>;
  readonly extensions: readonly Extension[];
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | undefined;
  readonly cRLNumber: bigint | undefined;
  readonly deltaCRLIndicator: bigint | undefined;
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined;
  readonly freshestCRL: readonly DistributionPoint[] | undefined;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signatureValue: Uint8Array;
}
