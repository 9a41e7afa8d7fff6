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

/** Section 5.3.1, CRLReason: those with a bit in ReasonFlags, and three without. */
export type RevocationReason = Exclude<ReasonFlag, 'unused'> | 'unspecified' | 'removeFromCRL';

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
  readonly reason: RevocationReason;
  readonly invalidityDateMs: number | undefined;
  /** Section 5.3.3: what the entry itself says, or else the nearest one before it; undefined is the issuer of the list. */
  readonly certificateIssuer: readonly GeneralName[] | undefined;
  readonly unknownCriticalExtension: boolean;
}

/** The entries of a list: checked when the list is parsed, and decoded as they are asked for. */
export interface RevokedCertificates extends Iterable<RevokedCertificate> {
  readonly count: number;
  /** Section 5.3: a list with such an entry says nothing about any certificate. */
  readonly hasUnknownCriticalExtension: boolean;
  /** Whether any entry has a certificateIssuer extension. */
  readonly hasCertificateIssuer: boolean;
  /** Whether a serial number is there twice, whoever issued the certificates. Costs an index of the list, once. */
  readonly repeatsSerialNumber: boolean;
  /** All entries with this serial number, whoever issued the certificate, in order. */
  find(serialNumber: Uint8Array): readonly RevokedCertificate[];
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
  readonly entries: RevokedCertificates;
  readonly extensions: readonly Extension[];
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | undefined;
  readonly cRLNumber: bigint | undefined;
  readonly deltaCRLIndicator: bigint | undefined;
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined;
  readonly freshestCRL: readonly DistributionPoint[] | undefined;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signatureValue: Uint8Array;
}
