/** Whether a leaf carries the name that the caller expects (RFC 9525). */
import type { Certificate } from '../certificate/types.ts';
import type { ExpectedName } from '../input.ts';
import type { Failure } from '../reasons.ts';

/** Undefined: the certificate carries it. The subject's common name is never looked at (RFC 9525 section 2). */
export function matchName(expected: ExpectedName, certificate: Certificate): Failure | undefined {
  return {
    reason: 'name_mismatch',
    section: 'RFC 9525 section 6.1',
    detail: `${certificate.fingerprint} has no ${expected.value}`,
  };
}
