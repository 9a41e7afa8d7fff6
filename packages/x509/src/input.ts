/** What a caller asks of a validation. Nothing here is read from a clock, a file or the network. */
import type { Certificate, Name, NameConstraints, Oid, SubjectPublicKeyInfo } from './certificate/types.ts';
import type { CertificateList } from './revocation/crl/types.ts';
import type { OcspResponse } from './revocation/ocsp/types.ts';

/**
 * RFC 5280 section 6.1.1 (d): a name and a key that the caller trusts. Where they came in a certificate, what that
 * certificate says (validity, path length, name constraints, policies, usage) binds the paths below it, as RFC 5937 has it.
 */
export interface TrustAnchor {
  readonly name: Name;
  readonly subjectPublicKeyInfo: SubjectPublicKeyInfo;
  readonly certificate: Certificate | undefined;
}

/** A name that the leaf must carry. A `dns` name has no trailing dot and its U-labels may be given as Unicode; `ip` is text, `192.0.2.1` or `2001:db8::1`. */
export interface ExpectedName {
  readonly kind: 'dns' | 'ip' | 'email' | 'uri';
  readonly value: string;
}

/** RFC 5280 section 6.1.1 (c), (e), (f), (g). Absent: any policy, nothing required, nothing inhibited. */
export interface PolicyInput {
  readonly initial?: readonly Oid[];
  readonly requireExplicit?: boolean;
  readonly inhibitMapping?: boolean;
  readonly inhibitAny?: boolean;
}

/** `either`: one good answer is enough, and a revocation by any is one. `both`: each must be good. */
export type RevocationMode = 'none' | 'crl' | 'ocsp' | 'either' | 'both';

export interface RevocationInput {
  readonly mode: RevocationMode;
  /** What an unknown status means: `hard` refuses (the default), `soft` accepts and says so in the result. */
  readonly onUnknown?: 'hard' | 'soft';
  /** `path`: every certificate below the anchor (the default); `leaf`: the leaf alone. */
  readonly scope?: 'path' | 'leaf';
  readonly crls?: readonly CertificateList[];
  readonly ocsp?: readonly OcspResponse[];
  /** The nonce that was sent, when one was: an answer must have the same (RFC 9654 section 2.1). */
  readonly ocspNonce?: Uint8Array;
  /** How old an answer without `nextUpdate` may be, in milliseconds. Default: 24 hours. */
  readonly maxAgeMs?: number;
  /** Clock difference that is tolerated in `thisUpdate`, in milliseconds. Default: 5 minutes. */
  readonly clockSkewMs?: number;
}

export type Purpose = 'client' | 'server' | 'any';

export interface ValidationInput {
  /** Required: this package has no clock. */
  readonly at: Date;
  /** Untrusted certificates to build with, in any order; those of the validator's pool are added. */
  readonly intermediates?: readonly Certificate[];
  /** `client` and `server` are id-kp-clientAuth and id-kp-serverAuth. Default: the profile's. */
  readonly purpose?: Purpose;
  /** Usages that the path must allow besides `purpose`, all of them. */
  readonly extendedKeyUsage?: readonly Oid[];
  /** Names that the leaf must carry, all of them. */
  readonly names?: readonly ExpectedName[];
  readonly policies?: PolicyInput;
  /**
   * RFC 5280 section 6.1.1 (h) and (i), initial-permitted-subtrees and initial-excluded-subtrees: what the caller lets the
   * whole path be about, as the extension would say it, with one subtree at least. Absent: any name.
   */
  readonly nameConstraints?: NameConstraints;
  /** Certificates between leaf and anchor, self-issued ones not counted (as in pathLenConstraint). */
  readonly maxIntermediates?: number;
  readonly revocation?: RevocationInput;
}
