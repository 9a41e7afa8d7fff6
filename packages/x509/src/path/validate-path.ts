/**
 * RFC 5280 section 6.1 over one candidate path, anchor downwards: initialize (6.1.2), for each certificate the basic
 * processing (6.1.3), between two of them the preparation (6.1.4), at the end the wrap-up (6.1.5). Policies after RFC 9618,
 * anchors after RFC 5937. Checks run in the order of the RFC, so the failure that is reported is the first that it names;
 * a signature that was verified once is not verified again when the next candidate shares it.
 */
import type { Failure } from '../reasons.ts';
import { isFailure, type PublicKey } from '../signature/types.ts';
import { processCertificate } from './basic-processing.ts';
import { initialize } from './initialize.ts';
import { prepareNext } from './prepare-next.ts';
import type { CandidatePath, PathContext, PathOutcome } from './types.ts';
import { wrapUp } from './wrap-up.ts';

/** Throws `WorkLimitExceeded` for the caller of `validate`, and a RangeError for a path without certificates. */
export function validatePath(candidate: CandidatePath, context: PathContext): PathOutcome {
  const { certificates, anchor } = candidate;
  const n = certificates.length;
  const state = initialize(anchor, n, context); // 6.1.2
  if (isFailure(state)) return refused(state, n);

  const issuerKeys: PublicKey[] = [];
  let notAfterMs = anchor.certificate?.validity.notAfterMs ?? Infinity;
  for (let place = n - 1; place >= 0; place -= 1) {
    const certificate = certificates[place];
    if (certificate === undefined) break;
    issuerKeys.unshift(state.workingPublicKey);
    notAfterMs = Math.min(notAfterMs, certificate.validity.notAfterMs);

    const failure = processCertificate(state, certificate, place === 0, context); // 6.1.3
    // a key that turns out to be none while it verifies is the fault of the certificate that it is in
    if (failure !== undefined) return refused(failure, failure.reason === 'key_refused' ? place + 1 : place);

    if (place > 0) {
      const unprepared = prepareNext(state, certificate, context); // 6.1.4
      if (unprepared !== undefined) return refused(unprepared, place);
    } else {
      const policies = wrapUp(state, certificate, context); // 6.1.5
      if (isFailure(policies)) return refused(policies, place);
      return { ok: true, path: { certificates, anchor, issuerKeys, policies, notAfterMs } }; // 6.1.6
    }
  }
  throw new RangeError('a path has at least one certificate');
}

function refused(failure: Failure, certificate: number): PathOutcome {
  return { ok: false, failure: { ...failure, certificate } };
}
