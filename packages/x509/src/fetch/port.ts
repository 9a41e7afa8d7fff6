/** The port through which certificates, CRLs and OCSP answers are fetched. */

export type FetchKind = 'certificate' | 'crl' | 'ocsp';

export interface FetchRequest {
  readonly kind: FetchKind;
  readonly url: string;
  /** An OCSP request, sent by POST (RFC 6960 appendix A.1). Without it the request is a GET. */
  readonly body?: Uint8Array;
  /** Not kept and not answered from what was kept: an answer to a nonce is good once. */
  readonly fresh?: boolean;
}

/** Why there is no answer; `refused` is our own decision, not to ask there, and `busy` not to ask now. */
export type FetchProblem =
  'refused' | 'busy' | 'unreachable' | 'timeout' | 'too_large' | 'redirects' | 'status';

export type FetchAnswer =
  | {
      readonly ok: true;
      readonly body: Uint8Array;
      /** What HTTP allows it to be kept for, in milliseconds; undefined when it does not say. */
      readonly maxAgeMs: number | undefined;
    }
  | { readonly ok: false; readonly problem: FetchProblem; readonly detail: string };

/** Never rejects. */
export interface Fetcher {
  fetch(request: FetchRequest): Promise<FetchAnswer>;
  /** What was answered helped nobody, such as a signature that is not good: it is not to be kept for long. */
  discredit?(request: FetchRequest): void;
}
