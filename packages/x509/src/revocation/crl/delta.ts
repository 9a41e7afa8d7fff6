/** Which delta brings a complete list up to date: RFC 5280 sections 5.2.4 and 6.3.3 (c), (h). */
import type { Oid } from '../../certificate/types.ts';
import { nameKey } from '../../names/name-key.ts';
import type { PublicKey } from '../../signature/types.ts';
import type { Pass } from '../types.ts';
import { AUTHORITY_KEY_IDENTIFIER, ISSUING_DISTRIBUTION_POINT } from './extensions.ts';
import type { CertificateList } from './types.ts';
import { isExpired, isFromTheFuture, listProblem } from './usable.ts';

/**
 * The newest delta that may be combined with `complete`, whose signature `key` has verified. Section 6.3.1 (b): use-deltas is
 * always set, and says nothing where none is at hand.
 */
export function deltaFor(complete: CertificateList, key: PublicKey, pass: Pass): CertificateList | undefined {
  return pass
    .lists(nameKey(complete.issuer)) // (c)(1)
    .filter((list) => isDeltaOf(list, complete, pass))
    .sort((a, b) => Number((b.cRLNumber ?? 0n) - (a.cRLNumber ?? 0n)))
    .find((delta) => pass.context.signatures.check(delta, key) === undefined); // (h)
}

function isDeltaOf(delta: CertificateList, complete: CertificateList, pass: Pass): boolean {
  const { deltaCRLIndicator: base, cRLNumber: number } = delta;
  if (base === undefined || number === undefined || complete.cRLNumber === undefined) return false;
  return (
    complete.cRLNumber >= base && // section 5.2.4 (c)
    complete.cRLNumber < number && // section 5.2.4 (d)
    hasSame(ISSUING_DISTRIBUTION_POINT, delta, complete) && // (c)(2)
    hasSame(AUTHORITY_KEY_IDENTIFIER, delta, complete) && // (c)(3)
    listProblem(delta) === undefined &&
    pass.context.listProblem?.(delta) === undefined &&
    !isExpired(delta, pass) &&
    !isFromTheFuture(delta, pass)
  );
}

/** Both have the extension with one value, or both have none. */
function hasSame(oid: Oid, a: CertificateList, b: CertificateList): boolean {
  const one = a.extensions.find((extension) => extension.oid === oid)?.value;
  const other = b.extensions.find((extension) => extension.oid === oid)?.value;
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}
