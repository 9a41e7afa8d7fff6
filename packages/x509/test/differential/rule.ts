/** What a rule is, and what it is shown. */
import type { Certificate } from '../../src/certificate/types.ts';
import type { Failure } from '../../src/reasons.ts';
import type { Case } from './case.ts';
import type { TheirVerdict } from './openssl.ts';
import type { OurVerdict } from './ours.ts';

/** We say valid; they refuse this very path too, when they are given nothing else to build with. */
export interface Accepted {
  readonly input: Case;
  readonly ours: OurVerdict & { readonly valid: true };
  readonly theirs: TheirVerdict;
  /** Leaf first, the anchor's certificate last. */
  readonly chain: readonly Certificate[];
}

/** They say valid, we refuse. */
export interface Refused {
  readonly input: Case;
  readonly ours: OurVerdict & { readonly valid: false };
  /** The one that is reported, or another candidate's: theirs may be that path. */
  readonly failure: Failure;
}

export interface RuleText {
  readonly id: string;
  /** The text that decides. */
  readonly section: string;
  readonly why: string;
}

export interface AcceptedRule extends RuleText {
  /** X509_V_ERR_… of which the rule explains one occurrence or all. */
  readonly errors: readonly number[];
  /** `at` is the certificate that the error is about. */
  holds(accepted: Accepted, at: Certificate, depth: number): boolean;
}

export interface RefusedRule extends RuleText {
  holds(refused: Refused): boolean;
}
