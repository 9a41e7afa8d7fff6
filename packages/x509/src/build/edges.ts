/**
 * What can be said of an issuer and of what it issued before the rest of the path is known. A path that fails here would
 * fail in section 6.1 as well, which repeats each of these checks on whole paths: nothing here accepts anything.
 */
import type { Certificate, SubjectPublicKeyInfo } from '../certificate/types.ts';
import { checkValidity } from '../path/validity.ts';
import type { Failure } from '../reasons.ts';
import { isFailure, type SignatureChecker } from '../signature/types.ts';

/** `place` is the issuer's in the path, 0 = leaf. */
export function checkIssuer(issuer: Certificate, place: number, atMs: number): Failure | undefined {
  const { basicConstraints, keyUsage } = issuer;
  const untimely = checkValidity(issuer, atMs);
  if (untimely !== undefined) return { ...untimely, certificate: place };
  if (issuer.version !== 3 || basicConstraints?.ca !== true)
    return {
      reason: 'not_a_ca',
      section: 'RFC 5280 section 6.1.4 (k)',
      detail: 'issued a certificate and does not say that it is a CA',
      certificate: place,
    };
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign'))
    return {
      reason: 'key_usage',
      section: 'RFC 5280 section 6.1.4 (n)',
      detail: 'issued a certificate and its key usage does not allow that (keyCertSign)',
      certificate: place,
    };
  return undefined;
}

/** Whether this key signed `issued`, which stands at `place`; the key's own faults are those of the place above. */
export function checkSignature(
  issued: Certificate,
  issuerKey: SubjectPublicKeyInfo,
  place: number,
  signatures: SignatureChecker,
): Failure | undefined {
  if (inheritsParameters(issuerKey)) return undefined; // known on whole paths only
  const key = signatures.loadKey(issuerKey);
  if (isFailure(key)) return { ...key, certificate: place + 1 };
  const failure = signatures.check(issued, key);
  if (failure === undefined) return undefined;
  return { ...failure, certificate: failure.reason === 'key_refused' ? place + 1 : place };
}

const ID_DSA = '1.2.840.10040.4.1';
const NULL_LENGTH = 2;

/** RFC 5280 section 6.1.4 (e): a DSA key whose parameters are absent or NULL has those of its issuer. */
function inheritsParameters({ algorithm }: SubjectPublicKeyInfo): boolean {
  return algorithm.oid === ID_DSA && (algorithm.parameters?.length ?? 0) <= NULL_LENGTH;
}
