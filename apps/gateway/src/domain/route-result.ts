/** What a route says. */

/** What came of it. A failure is a value: the outcome is recorded either way. */
export type RouteResult =
  | {
      readonly kind: 'response';
      readonly contentType: string;
      readonly body: Uint8Array;
      /** For the record: an HTTP status, or "ok". */
      readonly status: string;
    }
  | {
      readonly kind: 'failure';
      readonly reason: 'upstream_failed' | 'upstream_timeout' | 'too_large';
      /** For the record: an HTTP status or a word such as "connect". */
      readonly status: string;
      /** For the caller: what happened and where, without anything of the upstream's insides. */
      readonly detail: string;
      /** False when the upstream may have acted on it. */
      readonly isWithoutEffect: boolean;
    };
