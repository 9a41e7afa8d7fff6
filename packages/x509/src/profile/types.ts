/** What a community of certificates demands beyond RFC 5280 section 6. */
import type { Certificate } from '../certificate/types.ts';
import type { Purpose } from '../input.ts';
import type { Failure } from '../reasons.ts';
import type { CertificateList } from '../revocation/crl/types.ts';

export type ProfileName = 'rfc5280' | 'webpki' | 'svid' | 'mcp-client';

/** `anchor` is judged only where the anchor came as a certificate. A leaf is a leaf even when it is a CA. */
export type Position = 'anchor' | 'intermediate' | 'leaf';

/** What a rule may know besides the certificate. */
export interface RuleContext {
  /** What the caller asks of the leaf. */
  readonly purpose: Purpose;
  /** The leaf is the anchor's own certificate. */
  readonly leafIsAnchor: boolean;
  /** Certificates from the leaf to the one below the anchor. */
  readonly pathLength: number;
}

/** One rule: its failure without `certificate`, which the caller adds. Pure, and cheap enough for each candidate path. */
export type Rule = (
  certificate: Certificate,
  position: Position,
  context: RuleContext,
) => Failure | undefined;

export interface Profile {
  readonly name: string;
  /** What a validation is for whose input does not say. */
  readonly defaultPurpose: Purpose;
  /** Applied to each certificate of a path that section 6.1 accepted, from the anchor down; the first failure counts. */
  readonly rules: readonly Rule[];
  /** Says why a revocation list that RFC 5280 allows is no evidence here; undefined when it is. Default: each is. */
  readonly listProblem?: (list: CertificateList) => string | undefined;
}
