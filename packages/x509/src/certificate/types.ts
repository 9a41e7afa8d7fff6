/**
 * A certificate as a value (RFC 5280 section 4.1), decoded once from strict DER and never changed. Octets are views of
 * one private copy of the input: nobody writes to them.
 */

/** Dotted decimal, `2.5.29.15`. */
export type Oid = string;

/** RFC 5280 section 4.1.1.2. `parameters` is their whole DER, undefined when absent (NULL is `05 00`). */
export interface AlgorithmIdentifier {
  readonly oid: Oid;
  readonly parameters: Uint8Array | undefined;
  /** The whole DER: what is compared octet by octet inside and outside the signed part. */
  readonly der: Uint8Array;
}

/**
 * `tag` is the universal tag number of the value's string type (12 = UTF8String, 19 = PrintableString …), and the identifier
 * octet of what is not of the universal class.
 */
export interface AttributeTypeAndValue {
  readonly type: Oid;
  readonly tag: number;
  readonly value: Uint8Array;
}

/** RFC 5280 section 4.1.2.4. */
export interface Name {
  readonly der: Uint8Array;
  readonly rdns: readonly (readonly AttributeTypeAndValue[])[];
}

/**
 * RFC 5280 section 4.2.1.6. Text is checked to be IA5 and otherwise as it stood; an address is 4 or 16 octets (8 or 32 in
 * constraints). Of an other name, `value` is the whole DER inside of `[0]`; `x400` and `edi` are their whole DER.
 */
export type GeneralName =
  | { readonly kind: 'dns' | 'email' | 'uri'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: Uint8Array }
  | { readonly kind: 'directory'; readonly value: Name }
  | { readonly kind: 'registered'; readonly value: Oid }
  | { readonly kind: 'other'; readonly type: Oid; readonly value: Uint8Array }
  | { readonly kind: 'x400' | 'edi'; readonly value: Uint8Array };

/** RFC 5280 section 4.1.2.7. `der` is the whole SubjectPublicKeyInfo, `bits` the key's octets (no unused bits). */
export interface SubjectPublicKeyInfo {
  readonly der: Uint8Array;
  readonly algorithm: AlgorithmIdentifier;
  readonly bits: Uint8Array;
}

/** Milliseconds since 1970, UTC. Both ends are inside (section 4.1.2.5). */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** A GeneralizedTime before 2050, where section 4.1.2.5 asks for a UTCTime: read, and for profiles to judge. */
  readonly hasEarlyGeneralizedTime: boolean;
}

/** Any extension as it stood; `value` is the inside of extnValue. */
export interface Extension {
  readonly oid: Oid;
  readonly critical: boolean;
  readonly value: Uint8Array;
  /** Of the extension in the certificate. */
  readonly offset: number;
}

/** Section 4.2.1.3. */
export const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];

/** Section 4.2.1.4: what is critical for validation, and the qualifiers as DER. */
export interface PolicyInformation {
  readonly oid: Oid;
  readonly qualifiers: Uint8Array | undefined;
}

/** Section 4.2.1.10. */
export interface GeneralSubtree {
  readonly base: GeneralName;
  readonly minimum: number;
  readonly maximum: number | undefined;
}
/** Undefined is "absent": without permitted subtrees everything is permitted. */
export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[] | undefined;
  readonly excluded: readonly GeneralSubtree[] | undefined;
}

/** Section 4.2.1.13. */
export const REVOCATION_REASONS = [
  'unused',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const;
export type ReasonFlag = (typeof REVOCATION_REASONS)[number];
export type DistributionPointName =
  | { readonly kind: 'full'; readonly names: readonly GeneralName[] }
  | { readonly kind: 'relative'; readonly rdn: readonly AttributeTypeAndValue[] };
export interface DistributionPoint {
  readonly name: DistributionPointName | undefined;
  readonly reasons: readonly ReasonFlag[] | undefined;
  readonly crlIssuer: readonly GeneralName[] | undefined;
}

/** Section 4.2.2.1. */
export interface AccessDescription {
  readonly method: Oid;
  readonly location: GeneralName;
}

/** Section 4.2.1.1. */
export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | undefined;
  readonly issuer: readonly GeneralName[] | undefined;
  readonly serialNumber: Uint8Array | undefined;
}

/** The extensions that this package understands, each decoded; undefined is "absent". */
export interface KnownExtensions {
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  readonly certificatePolicies: readonly PolicyInformation[] | undefined;
  readonly policyMappings: readonly { readonly issuerDomain: Oid; readonly subjectDomain: Oid }[] | undefined;
  readonly subjectAltName: readonly GeneralName[] | undefined;
  readonly issuerAltName: readonly GeneralName[] | undefined;
  readonly basicConstraints: { readonly ca: boolean; readonly pathLen: number | undefined } | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  readonly policyConstraints:
    | {
        readonly requireExplicitPolicy: number | undefined;
        readonly inhibitPolicyMapping: number | undefined;
      }
    | undefined;
  readonly extendedKeyUsage: readonly Oid[] | undefined;
  readonly cRLDistributionPoints: readonly DistributionPoint[] | undefined;
  readonly inhibitAnyPolicy: number | undefined;
  readonly freshestCRL: readonly DistributionPoint[] | undefined;
  readonly authorityInfoAccess: readonly AccessDescription[] | undefined;
  readonly subjectInfoAccess: readonly AccessDescription[] | undefined;
}

export interface Certificate extends KnownExtensions {
  readonly der: Uint8Array;
  /** SHA-256 of `der`, lower-case hex: the certificate's identity in caches and reports. */
  readonly fingerprint: string;
  /** The signed octets. */
  readonly tbs: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** The INTEGER's octets as they stood, at least one. */
  readonly serialNumber: Uint8Array;
  /** Inside the signed part, section 4.1.2.3. */
  readonly signature: AlgorithmIdentifier;
  readonly issuer: Name;
  readonly validity: Validity;
  readonly subject: Name;
  readonly subjectPublicKeyInfo: SubjectPublicKeyInfo;
  readonly hasUniqueId: boolean;
  /** In order; empty when absent. Each oid at most once, or the certificate is malformed. */
  readonly extensions: readonly Extension[];
  /** Outside the signed part, section 4.1.1.2. */
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signatureValue: Uint8Array;
}
