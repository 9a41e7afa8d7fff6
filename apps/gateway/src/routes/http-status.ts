/** What a status says about an effect, for HTTP and for what borrows its numbers. */

/**
 * RFC 9110 section 15.5: a 4xx says that the request was not carried out, and these do not say it for sure: 408 and 429 come
 * from proxies that may have passed it on, 409 is also "it is being worked on" (Idempotency-Key draft, section 2.6), 425
 * speaks of a replay, 499 of a caller that left.
 */
const UNCERTAIN: ReadonlySet<number> = new Set([408, 409, 425, 429, 499]);
/** An overload or a broken way, and 409 while the first of its kind is worked on: worth another try where that is safe. */
const PASSING: ReadonlySet<number> = new Set([409, 502, 503, 504]);

export function isWithoutEffect(status: number): boolean {
  return status >= 400 && status < 500 && !UNCERTAIN.has(status);
}

export function isPassing(status: number): boolean {
  return PASSING.has(status);
}

/** The destination itself is in trouble. */
export function isUnhealthy(status: number): boolean {
  return status >= 500;
}
